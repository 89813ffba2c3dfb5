#include <cstdio>
#include <iostream>

#include "core/schema/study.h"
#include "experiments/cli/command.h"

namespace sublab {
namespace {

struct Line {
  std::string kind, name, property, summary, source;
  std::vector<FieldHelp> settings;
};

/// "causal; needs head".
std::string scorer_property(const ScorerEntry& entry) {
  std::string needs;
  for (const auto& [needed, what] :
       {std::pair(entry.needs.hints, "hints"), std::pair(entry.needs.attention, "T before"),
        std::pair(entry.needs.head, "head"), std::pair(entry.needs.text, "text")})
    if (needed) needs += (needs.empty() ? "; needs " : ", ") + std::string(what);
  return (entry.causal ? "causal" : "not causal") + needs;
}

std::vector<Line> all_lines(const Catalog& catalog) {
  std::vector<Line> lines;
  for (const auto& entry : catalog.architectures)
    lines.push_back(
        {"architecture", entry.name, entry.expects, entry.summary, entry.source, entry.describe()});
  for (const auto& entry : catalog.parts.scorers)
    lines.push_back(
        {"scorer", entry.name, scorer_property(entry), entry.summary, entry.source, {}});
  for (const auto& entry : catalog.parts.selectors)
    lines.push_back({"selector",
                     entry.name,
                     entry.causal ? "causal" : "not causal",
                     entry.summary,
                     entry.source,
                     {}});
  for (const auto& entry : catalog.tasks)
    lines.push_back({"task", entry.name, entry.prompt.ask ? "prompts and scores" : "evaluates",
                     entry.summary, entry.source, entry.describe()});
  for (const auto& maker : catalog.row_makers)
    lines.push_back({"rows", maker.name,
                     maker.gives_hints ? "to train on; gives hints" : "to train on", maker.summary,
                     maker.source, maker.describe()});
  const auto section = [&](const char* name, const char* summary, std::vector<FieldHelp> settings) {
    lines.push_back({"section", name, "of a study", summary, "docs/studies.md", settings});
  };
  section("data", "what is trained on", describe_fields<DataConfig>());
  section("train", "how it is trained", describe_fields<TrainConfig>());
  section("measure", "how speed is measured", describe_fields<MeasureConfig>());
  return lines;
}

json as_json_object(const Line& line) {
  json out = {{"kind", line.kind},       {"name", line.name},     {"property", line.property},
              {"summary", line.summary}, {"source", line.source}, {"settings", json::array()}};
  for (const FieldHelp& setting : line.settings)
    out["settings"].push_back({{"name", setting.name},
                               {"type", setting.type},
                               {"default", setting.default_text},
                               {"help", setting.help},
                               {"allowed", setting.allowed}});
  return out;
}

void print_settings(const Line& line) {
  for (const FieldHelp& setting : line.settings)
    std::printf("  %-28s %-7s %-20s %s%s\n", setting.name.c_str(), setting.type.c_str(),
                setting.default_text.c_str(), setting.help.c_str(),
                setting.allowed.empty() ? "" : ("; " + setting.allowed).c_str());
}

/// `which` is a kind, the name of an entry (its settings are shown too), or "" for everything.
void print_lines(const Catalog& catalog, const std::string& which, bool as_json) {
  std::vector<Line> lines;
  std::vector<std::string> known;
  const auto is_kind = [&](const std::string& kind) {
    return which == kind || which == kind + "s";
  };
  for (const Line& line : all_lines(catalog)) {
    if (known.empty() || std::find(known.begin(), known.end(), line.kind) == known.end())
      known.push_back(line.kind);
    known.push_back(line.name);
    if (which.empty() || is_kind(line.kind) || which == line.name) lines.push_back(line);
  }
  if (lines.empty()) throw_unknown_name("list", "kind or name", which, known);
  json out = json::array();
  for (const Line& line : lines) {
    out.push_back(as_json_object(line));
    if (as_json) continue;
    std::printf("%-13s %-15s %-26s %-68s %s\n", line.kind.c_str(), line.name.c_str(),
                line.property.c_str(), line.summary.c_str(), line.source.c_str());
    if (which == line.name) print_settings(line);
  }
  if (as_json) std::cout << out.dump(1) << "\n";
}

}  // namespace

void add_list_command(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("list", "everything interchangeable, one line each");
  command->footer("Examples: sublab list scorer    sublab list subllm    sublab list train");
  auto which = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  command->add_option(
      "KIND", *which,
      "architecture, scorer, selector, task, rows or section; or a name, to see its "
      "settings; all when left out");
  command->add_flag("--json", *as_json, "print JSON");
  command->callback([&context, which, as_json] { print_lines(context.catalog, *which, *as_json); });
}

}  // namespace sublab

// `sublab list`: what is interchangeable, with its settings.
#include <cstdio>
#include <iostream>

#include "core/schema/study.h"
#include "experiments/cli/command.h"
#include "experiments/kinds.h"

namespace sublab {
namespace {

struct Line {
  std::string kind, name, property, summary, source, example;
  std::vector<FieldHelp> settings;
};

/// `{"type": "learned", "init_std": 0.5}`: an example of the entry as a study writes it.
std::string example_of(const std::string& kind, const EntryFacts& entry) {
  json example = entry.examples.empty() ? json::object() : entry.examples.front().config;
  const bool whole = kind == "architecture" || kind == "task";
  example[whole ? kind : "type"] = entry.name;
  return example.size() == 1 ? json(entry.name).dump() : example.dump();
}

std::vector<Line> all_lines(const Catalog& catalog) {
  std::vector<Line> lines;
  for (const Kind& kind : kinds_of(catalog))
    for (const auto& [entry, property] : kind.members)
      lines.push_back({kind.name, entry->name, property, entry->summary, entry->source,
                       example_of(kind.name, *entry), entry->describe()});
  const auto section = [&](const char* name, const char* summary, std::vector<FieldHelp> settings) {
    lines.push_back({"section", name, "of a study", summary, "docs/studies.md", "", settings});
  };
  section("data", "what is trained on", describe_fields<DataConfig>());
  section("train", "how it is trained", describe_fields<TrainConfig>());
  section("measure", "how speed is measured", describe_fields<MeasureConfig>());
  return lines;
}

json as_json_object(const Line& line) {
  json out = {{"kind", line.kind},        {"name", line.name},     {"property", line.property},
              {"summary", line.summary},  {"source", line.source}, {"example", line.example},
              {"settings", json::array()}};
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
    const bool in_y = kind.ends_with("y");
    return which == kind || which == kind + "s" ||
           (in_y && which == kind.substr(0, kind.size() - 1) + "ies");
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
    std::printf("%-13s %-15s %-26s %-68s %-17s %s\n", line.kind.c_str(), line.name.c_str(),
                line.property.c_str(), line.summary.c_str(), line.source.c_str(),
                line.example.c_str());
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
      "a kind (architecture, scorer, selector, gate, ..., section), or a name, to see "
      "its settings; all when left out");
  command->add_flag("--json", *as_json, "print JSON");
  command->callback([&context, which, as_json] { print_lines(context.catalog, *which, *as_json); });
}

}  // namespace sublab

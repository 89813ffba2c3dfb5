#include <cstdio>
#include <iostream>

#include "experiments/cli/command.h"

namespace sublab {
namespace {

struct Line {
  std::string kind, name, property, summary, source;
};

std::vector<Line> all_lines(const Catalog& catalog) {
  std::vector<Line> lines;
  for (const auto& entry : catalog.architectures)
    lines.push_back({"architecture", entry.name, entry.expects, entry.summary, entry.source});
  for (const auto& entry : catalog.parts.scorers)
    lines.push_back({"scorer", entry.name, entry.causal ? "causal" : "not causal", entry.summary,
                     entry.source});
  for (const auto& entry : catalog.parts.selectors)
    lines.push_back({"selector", entry.name, entry.causal ? "causal" : "not causal", entry.summary,
                     entry.source});
  for (const auto& entry : catalog.tasks)
    lines.push_back({"task", entry.name, entry.training_rows ? "makes rows" : "evaluates",
                     entry.summary, entry.source});
  return lines;
}

void print_lines(const Catalog& catalog, const std::string& kind, bool as_json) {
  std::vector<Line> lines;
  std::vector<std::string> kinds;
  for (const Line& line : all_lines(catalog)) {
    if (kinds.empty() || kinds.back() != line.kind) kinds.push_back(line.kind);
    if (kind.empty() || kind == line.kind) lines.push_back(line);
  }
  if (lines.empty()) throw_unknown_name("list", "kind", kind, kinds);
  json out = json::array();
  for (const Line& line : lines) {
    if (as_json)
      out.push_back({{"kind", line.kind},
                     {"name", line.name},
                     {"property", line.property},
                     {"summary", line.summary},
                     {"source", line.source}});
    else
      std::printf("%-13s %-15s %-11s %-64s %s\n", line.kind.c_str(), line.name.c_str(),
                  line.property.c_str(), line.summary.c_str(), line.source.c_str());
  }
  if (as_json) std::cout << out.dump(1) << "\n";
}

}  // namespace

void add_list_command(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("list", "everything interchangeable, one line each");
  command->footer("Example: sublab list scorer");
  auto kind = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  command->add_option("KIND", *kind, "architecture, scorer, selector or task; all when left out");
  command->add_flag("--json", *as_json, "print JSON");
  command->callback([&context, kind, as_json] { print_lines(context.catalog, *kind, *as_json); });
}

}  // namespace sublab

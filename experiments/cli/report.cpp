#include "analysis/report.h"

#include <iostream>
#include <optional>

#include "analysis/report_changes.h"
#include "core/process.h"
#include "core/work_folder.h"
#include "experiments/cli/command.h"

namespace sublab {
namespace {

struct Arguments {
  std::string folder, format = "md", out;
  std::optional<std::string> since;
  bool as_json = false;
};

/// report.json of the folder as the commit had it. Throws UserError where git does not know it.
json report_at(const fs::path& folder, const std::string& commit) {
  if (commit.empty() || commit.starts_with('-'))
    throw UserError("--since", "'" + commit + "' is no commit");
  const WorkFolder temporary("sublab-since");  // the study's folder may be read-only
  const fs::path text = temporary.path / "report.json", log = temporary.path / "log";
  const ExitState ended =
      run_program({"git", "-C", folder.string(), "show", commit + ":./report.json"}, log, text);
  const std::string written = read_file(text), problem = read_file(log);
  if (ended.code != 0 || ended.signal != 0)
    throw UserError(folder.string(), "git has no report.json of it at " + commit + ": " +
                                         problem.substr(0, problem.find('\n')));
  return parse_json(written, "report.json at " + commit);
}

void print_changes(const Arguments& arguments) {
  const json before = report_at(arguments.folder, *arguments.since);
  const json after = parse_json(report_as_json(build_report(arguments.folder)), "report");
  const auto changes = report_changes(before, after);
  if (!arguments.as_json) {
    std::cout << changes_as_text(changes);
    return;
  }
  json list = json::array();
  for (const CellChange& each : changes)
    list.push_back({{"table", each.table},
                    {"row", each.row},
                    {"column", each.column},
                    {"before", each.before},
                    {"after", each.after},
                    {"ratio", each.ratio ? json(*each.ratio) : json()},
                    {"beyond", each.beyond}});
  std::cout << list.dump(1) << "\n";
}

void write_report(Arguments arguments) {
  if (arguments.as_json) arguments.format = "json";
  const Report report = build_report(arguments.folder);
  const std::string& format = arguments.format;
  const std::string text = report_as(format, report);
  fs::path out = arguments.out;
  if (out.empty() && (format == "html" || format == "tex"))
    out = fs::path(arguments.folder) / ("report." + format);
  if (out.empty()) {
    std::cout << text;
    return;
  }
  write_file_durably(out, text);
  if (format == "tex") {
    const std::string problem = write_figure_files(report, out.parent_path());
    if (!problem.empty()) std::cerr << "Figures are missing: " << problem << "\n";
  }
  std::cerr << "wrote " << out.string() << "\n";
}

}  // namespace

void add_report_command(CLI::App& app, CommandContext&) {
  auto* command = app.add_subcommand("report", "the tables of a study that was run");
  command->footer("Example: sublab report results/quick --format html --out report.html");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("DIR", arguments->folder, "study folder")->required();
  auto* format = command->add_option("--format", arguments->format, join(report_formats()))
                     ->check(CLI::IsMember(report_formats()));
  auto* out = command->add_option(
      "--out", arguments->out,
      "file to write; html and tex go to DIR/report.* when left out, the rest to the terminal. The "
      "figures of tex go to the folder figures beside it");
  command
      ->add_option("--since", arguments->since,
                   "instead of the report, what moved in it since this commit of the repository "
                   "that keeps DIR/report.json")
      ->excludes(format)
      ->excludes(out);
  command->add_flag("--json", arguments->as_json, "the same as --format json");
  command->callback(
      [arguments] { arguments->since ? print_changes(*arguments) : write_report(*arguments); });
}

}  // namespace sublab

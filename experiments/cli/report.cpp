// sublab report: a study folder as a page in one of several forms.
#include "analysis/report/report.h"

#include <iostream>
#include <optional>

#include "analysis/build_report.h"
#include "analysis/figures/figure_files.h"
#include "analysis/print/print.h"
#include "analysis/print/trials.h"
#include "analysis/report_changes.h"
#include "core/process.h"
#include "core/work_folder.h"
#include "experiments/cli/command.h"

namespace sublab {
namespace {

struct Arguments {
  std::string folder, format, out, per = "variant", table;
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

/// The file, or the terminal where none is named.
void put(const fs::path& out, const std::string& text) {
  if (out.empty()) {
    std::cout << text;
    return;
  }
  write_file_durably(out, text);
  std::cerr << "wrote " << out.string() << "\n";
}

void write_trials(const Arguments& arguments) {
  const std::string format = arguments.as_json          ? "jsonl"
                             : arguments.format.empty() ? "csv"
                                                        : arguments.format;
  if (format != "csv" && format != "jsonl")
    throw UserError("--format", "'" + format + "': trials are printed one a line, as csv or jsonl");
  const StudyData data = read_study_data(arguments.folder);
  put(arguments.out, format == "csv" ? trials_as_csv(data) : trials_as_json_lines(data));
}

void write_table(const Arguments& arguments) {
  if (arguments.format != "tex" || arguments.as_json)
    throw UserError("--table", "goes with --format tex, which prints that table alone");
  put(arguments.out, table_as_latex(build_report(arguments.folder), arguments.table));
}

void write_report(Arguments arguments) {
  if (arguments.format.empty()) arguments.format = arguments.as_json ? "json" : "md";
  if (arguments.format == "jsonl")
    throw UserError("--format",
                    "jsonl goes with --per trial; a report is " + join(report_formats(), ", "));
  const Report report = build_report(arguments.folder);
  const std::string& format = arguments.format;
  const std::string text = report_as(format, report);
  fs::path out = arguments.out;
  if (out.empty() && (format == "html" || format == "tex"))
    out = fs::path(arguments.folder) / ("report." + format);
  put(out, text);
  if (format != "tex") return;
  const std::string problem = write_figure_files(report, out.parent_path());
  if (!problem.empty()) std::cerr << "Figures are missing: " << problem << "\n";
}

}  // namespace

void add_report_command(CLI::App& app, CommandContext&) {
  auto* command = app.add_subcommand("report", "the tables of a study that was run");
  command->footer(
      "Examples: sublab report results/quick --format html --out report.html\n"
      "          sublab report results/quick --per trial --format csv --out trials.csv\n"
      "          sublab report results/quick --format tex --table quality --out quality.tex");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("DIR", arguments->folder, "study folder")->required();
  auto formats = report_formats();
  formats.push_back("jsonl");
  auto* format = command
                     ->add_option("--format", arguments->format,
                                  join(formats) + "; md when left out, csv with --per trial")
                     ->check(CLI::IsMember(formats));
  auto* out = command->add_option(
      "--out", arguments->out,
      "file to write; html and tex go to DIR/report.* when left out, the rest to the terminal. The "
      "figures of tex go to the folder figures beside it");
  auto* per = command
                  ->add_option("--per", arguments->per,
                               "variant: the report; trial: a line per trial and seed with its "
                               "configuration, as csv or jsonl")
                  ->check(CLI::IsMember(std::vector<std::string>{"variant", "trial"}));
  auto* table = command
                    ->add_option("--table", arguments->table,
                                 "with --format tex: one table to \\input, such as quality")
                    ->excludes(per);
  command
      ->add_option("--since", arguments->since,
                   "instead of the report, what moved in it since this commit of the repository "
                   "that keeps DIR/report.json")
      ->excludes(format)
      ->excludes(out)
      ->excludes(per)
      ->excludes(table);
  command->add_flag("--json", arguments->as_json,
                    "the same as --format json, and as jsonl with --per trial");
  command->callback([arguments] {
    if (arguments->as_json && !arguments->format.empty() && arguments->format != "json")
      throw UserError("--json", "stands beside --format " + arguments->format + ": one of them");
    arguments->since            ? print_changes(*arguments)
    : arguments->per == "trial" ? write_trials(*arguments)
    : !arguments->table.empty() ? write_table(*arguments)
                                : write_report(*arguments);
  });
}

}  // namespace sublab

#include "analysis/report.h"

#include <iostream>

#include "experiments/cli/command.h"

namespace sublab {

void add_report_command(CLI::App& app, CommandContext&) {
  auto* command = app.add_subcommand("report", "the tables of a study that was run");
  command->footer("Example: sublab report results/quick --format html --out report.html");
  struct Arguments {
    std::string folder, format = "md", out;
    bool as_json = false;
  };
  auto arguments = std::make_shared<Arguments>();
  command->add_option("DIR", arguments->folder, "study folder")->required();
  command->add_option("--format", arguments->format, join(report_formats()))
      ->check(CLI::IsMember(report_formats()));
  command->add_option(
      "--out", arguments->out,
      "file to write; html and tex go to DIR/report.* when left out, the rest to the terminal. The "
      "figures of tex go to the folder figures beside it");
  command->add_flag("--json", arguments->as_json, "the same as --format json");
  command->callback([arguments] {
    if (arguments->as_json) arguments->format = "json";
    const Report report = build_report(arguments->folder);
    const std::string& format = arguments->format;
    const std::string text = report_as(format, report);
    fs::path out = arguments->out;
    if (out.empty() && (format == "html" || format == "tex"))
      out = fs::path(arguments->folder) / ("report." + format);
    if (out.empty()) {
      std::cout << text;
      return;
    }
    if (format == "tex") {
      const std::string problem = write_figure_files(report, out.parent_path());
      if (!problem.empty()) std::cerr << "Figures are missing: " << problem << "\n";
    }
    write_file_durably(out, text);
    std::cerr << "wrote " << out.string() << "\n";
  });
}

}  // namespace sublab

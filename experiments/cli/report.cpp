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
      "file to write; html goes to DIR/report.html when left out, the rest to the terminal");
  command->add_flag("--json", arguments->as_json, "the same as --format json");
  command->callback([arguments] {
    if (arguments->as_json) arguments->format = "json";
    const Report report = build_report(arguments->folder);
    const std::string text = report_as(arguments->format, report);
    fs::path out = arguments->out;
    if (out.empty() && arguments->format == "html")
      out = fs::path(arguments->folder) / "report.html";
    if (out.empty()) {
      std::cout << text;
      return;
    }
    write_file_durably(out, text);
    std::cerr << "wrote " << out.string() << "\n";
  });
}

}  // namespace sublab

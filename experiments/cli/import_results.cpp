// sublab import-results: what bench/gpu/quarter_hour.sh packed, as studies of this folder.
#include "experiments/run/import_results.h"

#include <cstdio>
#include <iostream>

#include "experiments/cli/command.h"

namespace sublab {

void add_import_results_command(CLI::App& app, CommandContext&) {
  auto* command = app.add_subcommand(
      "import-results", "studies that were packed on another machine, as folders gpu_* here");
  command->footer(
      "Every study is held against its raw data, and its report is made anew, before anything is "
      "moved.\nOne that is there already may only grow.\n"
      "Example: sublab import-results results-gpu/*.tar.gz");
  struct Arguments {
    std::vector<std::string> files;
    std::string into = "results";
    bool as_json = false;
  };
  auto arguments = std::make_shared<Arguments>();
  command->add_option("FILE", arguments->files, "archives of bench/gpu/quarter_hour.sh")
      ->required();
  command->add_option("--into", arguments->into, "folder of the studies")->capture_default_str();
  command->add_flag("--json", arguments->as_json, "print JSON");
  command->callback([arguments] {
    json out = json::array();
    for (const ImportedFolder& each :
         import_results({arguments->files.begin(), arguments->files.end()}, arguments->into)) {
      out.push_back({{"folder", each.path.string()},
                     {"is_study", each.is_study},
                     {"was_there", each.was_there},
                     {"records", each.records},
                     {"planned", each.planned},
                     {"has_bench", each.has_bench}});
      if (arguments->as_json) continue;
      if (each.is_study)
        std::printf("%s: %ld of %ld trials%s%s\n", each.path.c_str(), each.records, each.planned,
                    each.has_bench ? ", speed" : "", each.was_there ? " (grown)" : "");
      else
        std::printf("%s: logs\n", each.path.c_str());
    }
    if (arguments->as_json) std::cout << out.dump(1) << "\n";
  });
}

}  // namespace sublab

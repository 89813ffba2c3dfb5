// sublab samples: what a study's models were asked, what was right, and what they said.
#include <cstdio>
#include <iostream>
#include <sstream>

#include "analysis/study/study_data.h"
#include "analysis/text/format.h"
#include "core/json_text.h"
#include "core/schema/arrays.h"
#include "experiments/cli/command.h"

namespace sublab {
namespace samples {

struct Arguments {
  std::string folder, variant, task;
  int64_t most = 10;
  bool wrong_only = false, as_json = false;
};

/// The samples of one evaluation that are to be shown.
std::vector<json> chosen(const NpyArray& lines, const Arguments& arguments) {
  std::vector<json> out;
  std::istringstream text(lines.bytes);
  for (std::string line; std::getline(text, line);) {
    json sample = parse_json(line, "samples");
    const bool right = sample.value("right", 0.0) >= sample.value("asked", 1.0);
    if (arguments.wrong_only && right) continue;
    if (static_cast<int64_t>(out.size()) == arguments.most) break;
    out.push_back(std::move(sample));
  }
  return out;
}

/// The end of what was read, in one line.
std::string tail_of(const json& prompt) {
  constexpr size_t kShown = 100;
  std::string out = prompt.is_array() && !prompt.empty() && prompt.back().is_string()
                        ? prompt.back().get<std::string>()
                        : unquoted(prompt);
  if (out.size() > kShown) out = "..." + out.substr(out.size() - kShown);
  for (char& c : out)
    if (c == '\n' || c == '\t' || c == '\r') c = ' ';
  return out;
}

void print(const json& sample) {
  std::string about = significant(sample.value("right", 0.0), 3) + " of " +
                      significant(sample.value("asked", 1.0), 3) + " right";
  for (const char* key : {"length", "depth", "answer_place", "read"})
    if (sample.contains(key)) about += std::string(", ") + key + " " + sample[key].dump();
  const std::string prompt = sample.contains("prompt") ? "prompt" : "prompt_ids";
  const std::string answer = sample.contains("answer") ? "answer" : "answer_ids";
  std::printf("%s\n  asked   %s\n  right   %s\n  answer  %s\n", about.c_str(),
              tail_of(sample.value(prompt, json(""))).c_str(),
              sample.value("references", json()).dump().c_str(),
              sample.value(answer, json("")).dump().c_str());
}

void show(const Arguments& arguments) {
  const StudyData data = read_study_data(arguments.folder);
  if (!arguments.variant.empty()) data.variant(arguments.variant);  // or it names those there are
  json all = json::array();
  for (const Record* record : shown_records(data)) {
    if (!arguments.variant.empty() && record->variant != arguments.variant) continue;
    for (const RecordedEvaluation& evaluation : record->evaluations) {
      if (!arguments.task.empty() && evaluation.task != arguments.task) continue;
      const auto lines = read_array(arguments.folder, *record, array::kSamples, evaluation.id);
      if (!lines) continue;
      const std::vector<json> own = chosen(*lines, arguments);
      all.push_back({{"variant", record->variant},
                     {"seed", record->seed},
                     {"evaluation", evaluation.id},
                     {"samples", own}});
      if (arguments.as_json) continue;
      std::printf("%s, seed %ld, %s\n", record->variant.c_str(), record->seed,
                  evaluation.id.c_str());
      for (const json& sample : own) print(sample);
    }
  }
  if (arguments.as_json) std::cout << all.dump(1) << "\n";
  if (all.empty())
    throw UserError(arguments.folder,
                    "holds no samples of these: main trials of the first seed keep those of tasks "
                    "with prompts");
}

}  // namespace samples

void add_samples_command(CLI::App& app, CommandContext&) {
  auto* command = app.add_subcommand(
      "samples", "what a study's models were asked, what was right, and what they said");
  command->footer(
      "Tasks with prompts leave them, of the first seed.\n"
      "Example: sublab samples results/context_extension --task passkey --wrong");
  auto arguments = std::make_shared<samples::Arguments>();
  command->add_option("DIR", arguments->folder, "study folder")->required();
  command->add_option("--variant", arguments->variant, "of this variant alone");
  command->add_option("--task", arguments->task, "of this task alone");
  command
      ->add_option("-n", arguments->most, "show at most this many of each evaluation; default 10")
      ->check(CLI::Range(1, 1 << 24));
  command->add_flag("--wrong", arguments->wrong_only, "those alone that are not all right");
  command->add_flag("--json", arguments->as_json, "print JSON");
  command->callback([arguments] { samples::show(*arguments); });
}

}  // namespace sublab

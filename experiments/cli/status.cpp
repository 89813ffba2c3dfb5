// sublab status: what is done, running, failed, and the time left.
#include <cstdio>
#include <iostream>
#include <optional>

#include "core/progress.h"
#include "core/schema/plan.h"
#include "core/schema/record.h"
#include "experiments/cli/command.h"
#include "experiments/run/study_folder.h"

namespace sublab {
namespace {

/// A trial's record, read once.
struct TrialStatus {
  std::string state;  ///< as trial_state says it
  std::optional<Record> record;
  std::string problem;  ///< why the record is damaged, and what makes it again
};

TrialStatus status_of(const fs::path& folder, const PlannedTrial& trial) {
  const fs::path path = record_path(folder, trial);
  if (!fs::exists(path)) return {trial_state(folder, trial), {}, ""};
  try {
    TrialStatus out{"done", read_record(path), ""};
    if (out.record->outcome != "ok") out.state = "failed";
    return out;
  } catch (const DamagedRecord& error) {
    return {"damaged", {}, error.what()};
  }
}

/// One line of a trial.
void print_trial(const json& trial) {
  const std::string probe = trial["probe"], outcome = trial.value("outcome", ""),
                    detail = trial.value("detail", "");
  const std::string checkpoint =
      trial["checkpoint"].is_null() ? "" : "  " + trial["checkpoint"].get<std::string>();
  std::printf("%-10s %-28s %-7s seed %-4ld %s%s%s\n", trial["state"].get<std::string>().c_str(),
              trial["variant"].get<std::string>().c_str(), probe.c_str(),
              trial["seed"].get<int64_t>(), trial["id"].get<std::string>().c_str(),
              checkpoint.c_str(),
              detail.empty() ? (outcome.empty() || outcome == "ok" ? "" : "  " + outcome).c_str()
                             : ("  " + (outcome.empty() ? "" : outcome + ": ") + detail).c_str());
}

void print_status(const fs::path& folder, bool as_json) {
  const Plan plan = read_plan(folder);
  const std::set<std::string> not_needed = not_needed_trials(plan, folder);
  json trials = json::array();
  std::map<std::string, int64_t> counts{{"done", 0},    {"running", 0}, {"failed", 0},
                                        {"missing", 0}, {"damaged", 0}, {"not needed", 0}};
  double seconds_done = 0, tokens_done = 0, tokens_left = 0;
  for (const PlannedTrial& trial : plan.trials) {
    auto [state, record, problem] = status_of(folder, trial);
    if (state == "missing" && not_needed.contains(trial.id)) state = "not needed";
    ++counts[state];
    const double tokens = trial.config.at("train").at("tokens").get<double>();
    json line = {{"id", trial.id},     {"variant", trial.variant}, {"probe", trial.probe},
                 {"seed", trial.seed}, {"state", state},           {"checkpoint", nullptr}};
    const std::string checkpoint = checkpoint_folder(trial.train_id);
    if (fs::exists(folder / checkpoint / "config.json")) line["checkpoint"] = checkpoint;
    if (record) {
      line["outcome"] = record->outcome;
      line["detail"] = record->detail;
      const double seconds = record->times.value("train_seconds", 0.0);
      if (state == "done" && seconds > 0) seconds_done += seconds, tokens_done += tokens;
    }
    if (!problem.empty()) line["detail"] = problem;
    if (!record && state != "not needed") tokens_left += tokens;
    trials.push_back(line);
  }
  const auto untuned = untuned_variants(plan);
  counts["missing"] += static_cast<int64_t>(untuned.size() * plan.seeds.size());
  const double left = tokens_done > 0 ? seconds_done / tokens_done * tokens_left : 0;
  if (as_json) {
    std::cout << json{{"study", plan.study},
                      {"counts", counts},
                      {"trials", trials},
                      {"without_rate", untuned},
                      {"seconds_left", left}}
                     .dump(1)
              << "\n";
    return;
  }
  std::printf("%s: %ld done, %ld running, %ld failed, %ld missing", plan.study.c_str(),
              counts["done"], counts["running"], counts["failed"], counts["missing"]);
  if (counts["damaged"] > 0) std::printf(", %ld damaged", counts["damaged"]);
  if (counts["not needed"] > 0) std::printf(", %ld not needed", counts["not needed"]);
  std::printf(left > 0 ? ", about %s of training left\n" : "\n", duration_text(left).c_str());
  for (const json& trial : trials) print_trial(trial);
  for (const std::string& variant : untuned)
    std::printf("%-10s %-28s %zu main trials wait for a learning rate\n", "missing",
                variant.c_str(), plan.seeds.size());
}

}  // namespace

void add_status_command(CLI::App& app, CommandContext&) {
  auto* command = app.add_subcommand("status", "what of a study is done, running, failed and why");
  command->footer(
      "checkpoints/... is the folder of a trial's weights, below DIR; other commands also take\n"
      "DIR:VARIANT[@SEED] for it.\nExample: sublab status results/quick");
  auto folder = std::make_shared<std::string>();
  auto as_json = std::make_shared<bool>(false);
  command->add_option("DIR", *folder, "study folder")->required();
  command->add_flag("--json", *as_json, "print JSON");
  command->callback([folder, as_json] { print_status(*folder, *as_json); });
}

}  // namespace sublab

// A grid of learning rates that widens: what is planned, done, left undone and gone on with.
#include <catch2/catch.hpp>

#include "core/schema/record.h"
#include "experiments/plan/resolve_study.h"
#include "experiments/run/study_folder.h"
#include "experiments/run/trial_queue.h"
#include "tests/temporary_folder.h"

using namespace sublab;

namespace {

/// A study whose trials end as a test says, without training.
class Widening : TemporaryFolder {
 public:
  Widening() {
    options.out = path / "out";
    const json study = json::parse(R"json({
      "study": "widening", "question": "?",
      "base": { "model": {"architecture": "llama", "d_model": 16, "n_layers": 1, "n_heads": 2},
                "data": {"corpus": ["gcide"], "tokenizer": "bytes", "context_len": 32},
                "train": {"tokens": 4096, "batch_tokens": 256},
                "evaluate": [{"task": "perplexity"}] },
      "variants": {"llama": {}},
      "tune": {"train.learning_rate": [0.001, 0.002, 0.004], "widen": 2} })json");
    write_file_durably(path / "study.json", study.dump());
    settle();
  }

  /// As a run begins, also one that goes on after a kill.
  void settle() {
    const ActiveRun active(options.out);
    plan = settle_plan(resolve_study(read_study(path / "study.json", {}, 1), catalog), options.out,
                       catalog, active, {});
  }
  void end(double rate, double loss, const std::string& probe = kTuneProbe) {
    for (const PlannedTrial& trial : plan.trials) {
      if (trial.probe != probe || rate_of(trial) != rate) continue;
      Record record;
      record.id = trial.id;
      record.train_id = trial.train_id;
      record.study = plan.study;
      record.variant = trial.variant;
      record.probe = trial.probe;
      record.seed = trial.seed;
      record.config = trial.config;
      RecordedEvaluation evaluation;
      evaluation.task = "perplexity";
      evaluation.id = evaluation_id(evaluation);
      record.evaluations = {evaluation};
      record.metrics = {{"loss_nats", loss, json::object(), "", evaluation.id}};
      write_record(record_path(options.out, trial), record);
    }
  }
  /// Rates of the trials of a shard that a run would do now, among those of a probe.
  std::vector<double> queued(const std::string& probe = kTuneProbe) {
    std::vector<const PlannedTrial*> trials;
    for (const PlannedTrial& trial : plan.trials)
      if (trial.probe == probe) trials.push_back(&trial);
    RunSummary summary;
    TrialQueue queue(plan, trials, options, summary);
    std::vector<double> rates;
    while (const PlannedTrial* trial = queue.take({})) rates.push_back(rate_of(*trial));
    return rates;
  }

  Plan plan;
  RunOptions options;

 private:
  static double rate_of(const PlannedTrial& trial) {
    return trial.config.at("train").at("learning_rate");
  }
  TemporaryCache cache_;
  Catalog catalog = built_in_catalog();
};

using Rates = std::vector<double>;

}  // namespace

TEST_CASE("a grid widens by itself, and a run that was killed goes on where it stood", "[unit]") {
  Widening study;
  CHECK(study.plan.trials.size() == 3 + 4);  // the main trial waits for its rate
  CHECK(study.queued() == Rates{0.001, 0.002, 0.004});
  study.end(0.001, 3.0);
  study.end(0.002, 2.5);
  study.settle();
  CHECK(study.queued() == Rates{0.004});
  study.end(0.004, 2.0);
  study.settle();
  CHECK(study.queued() == Rates{0.008});
  CHECK(study.queued("").empty());
  study.end(0.008, 1.5);
  study.settle();
  CHECK(study.queued() == Rates{0.016});
  study.end(0.016, 1.75);
  study.settle();
  CHECK(study.queued().empty());
  CHECK(study.queued("") == Rates{0.008});
  CHECK(not_needed_trials(study.plan, study.options.out).size() == 2);  // those below
  study.end(0.008, 1.25, "");
  study.settle();
  CHECK(study.queued("").empty());
  CHECK(study.plan.trials.size() == 3 + 4 + 1);
}

TEST_CASE("shards share what widens a grid, whichever of them asks", "[unit]") {
  Widening study;
  for (const auto& [rate, loss] : {std::pair{0.001, 1.0}, {0.002, 2.0}, {0.004, 3.0}})
    study.end(rate, loss);
  Rates both;
  study.options.n_shards = 2;
  for (study.options.shard = 1; study.options.shard <= 2; ++study.options.shard)
    for (const double rate : study.queued()) both.push_back(rate);
  CHECK(both == Rates{0.0005});
}

TEST_CASE("a study that was tuned before grids widened stays as it is", "[unit]") {
  Widening study;
  for (const auto& [rate, loss] : {std::pair{0.001, 1.0}, {0.002, 2.0}, {0.004, 3.0}})
    study.end(rate, loss);
  // Its plan holds the grid and the main trial at the edge of it.
  Plan old = study.plan;
  std::erase_if(old.trials, [](const PlannedTrial& trial) { return trial.widens != 0; });
  study.end(0.0005, 1.5);
  study.settle();
  REQUIRE(study.queued("") == Rates{0.001});
  old.trials.push_back(study.plan.trials.back());
  study.end(0.001, 1.0, "");
  for (const PlannedTrial& trial : study.plan.trials)
    if (trial.widens != 0) fs::remove(record_path(study.options.out, trial));
  write_plan(study.options.out, old);
  study.settle();
  CHECK(study.queued().empty());
  CHECK(study.queued("").empty());
  CHECK(not_needed_trials(study.plan, study.options.out).size() == 4);
}

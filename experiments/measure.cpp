#include "experiments/measure.h"

#include <algorithm>

#include "core/hash.h"
#include "core/process.h"
#include "core/random.h"
#include "experiments/environment.h"

namespace sublab {
namespace {

struct Worker {
  std::string variant;
  std::string trial;
  bool repeat_of_reference = false;
  std::unique_ptr<ChildProcess> process;
};

RoundResult ask(Worker& worker, const RoundOrder& order, const fs::path& log) {
  const bool sent = worker.process->write_line(write_fields(order).dump());
  const auto line = sent ? worker.process->read_line() : std::nullopt;
  if (!line)
    throw UserError("bench", "the worker of " + worker.variant + " stopped; see " + log.string());
  RoundResult result;
  read_fields(parse_json(*line, "bench worker"), "bench worker", result);
  return result;
}

/// The main trial of the first seed of each variant, and the reference once more at the end.
std::vector<Worker> start_workers(const Plan& plan, const fs::path& folder) {
  std::vector<Worker> workers;
  const auto start = [&](const PlannedTrial& trial, bool repeat) {
    const fs::path log =
        folder / "work" / ("bench-" + trial.id + (repeat ? "-again" : "") + ".log");
    workers.push_back(
        {trial.variant, trial.id, repeat,
         std::make_unique<ChildProcess>(
             std::vector<std::string>{"bench-worker", folder.string(), trial.id}, log.string())});
  };
  const PlannedTrial* reference = nullptr;
  for (const PlannedTrial& trial : plan.trials) {
    if (!trial.probe.empty() || trial.seed != plan.seeds.front()) continue;
    start(trial, false);
    if (trial.variant == plan.compare_to) reference = &trial;
  }
  if (reference) start(*reference, true);
  return workers;
}

/// How often a round repeats its work, so that the reference takes about a fifth of a second.
int64_t repeats_for(double seconds_once) {
  constexpr double kRoundSeconds = 0.2;
  return std::clamp<int64_t>(static_cast<int64_t>(kRoundSeconds / std::max(seconds_once, 1e-6)), 1,
                             64);
}

class Coordinator {
 public:
  Coordinator(const Plan& plan, const fs::path& folder, ProgressLine& progress)
      : plan_(plan), folder_(folder), progress_(progress), workers_(start_workers(plan, folder)) {
    read_fields(plan.measure, "plan.json: /measure", config_);
  }

  std::vector<BenchMeasurement> run() {
    std::vector<BenchMeasurement> out;
    const size_t total = config_.modes.size() * config_.context.size() * config_.batch.size();
    for (const std::string& mode : config_.modes)
      for (const int64_t context : config_.context)
        for (const int64_t batch : config_.batch) {
          conditions_done_ = static_cast<double>(out.size()) / static_cast<double>(total);
          condition_share_ = 1.0 / static_cast<double>(total);
          out.push_back(measure(mode, context, batch));
        }
    return out;
  }

 private:
  fs::path log() const { return folder_ / "work"; }

  BenchMeasurement measure(const std::string& mode, int64_t context, int64_t batch) {
    RoundOrder order{mode, context, batch, config_.decode_tokens, 0, 1};
    std::vector<std::vector<RoundResult>> results(workers_.size());
    double reference_seconds = 0;
    for (Worker& worker :
         workers_) {  // warm-up with the same shape, twice: the first also builds caches
      ask(worker, order, log());
      const double seconds = ask(worker, order, log()).seconds;
      if (worker.variant == plan_.compare_to) reference_seconds = seconds;
    }
    order.repeats = repeats_for(reference_seconds);
    RandomSequence random(stream_key(1, "rounds"));
    std::vector<size_t> turn(workers_.size());
    for (size_t i = 0; i < turn.size(); ++i) turn[i] = i;
    random.shuffle(turn);
    for (int64_t round = 0; round < config_.rounds; ++round) {
      order.round = round;
      progress_.show(conditions_done_ + condition_share_ * static_cast<double>(round) /
                                            static_cast<double>(config_.rounds),
                     "speed: " + mode + ", round " + std::to_string(round + 1));
      for (const size_t i : turn) results[i].push_back(ask(workers_[i], order, log()));
      std::rotate(turn.begin(), turn.begin() + 1, turn.end());
    }
    return collect(order, results);
  }

  BenchMeasurement collect(const RoundOrder& order,
                           const std::vector<std::vector<RoundResult>>& results) const {
    BenchMeasurement out{order.mode, order.context, order.batch, "float32", {}};
    double reference_cost = 0;
    const auto mean_cost = [](const std::vector<RoundResult>& rounds) {
      double sum = 0;
      for (const RoundResult& round : rounds) sum += round.cost;
      return sum / static_cast<double>(rounds.size());
    };
    for (size_t i = 0; i < workers_.size(); ++i)
      if (workers_[i].variant == plan_.compare_to && !workers_[i].repeat_of_reference)
        reference_cost = mean_cost(results[i]);
    for (size_t i = 0; i < workers_.size(); ++i) {
      BenchSeries series;
      series.variant = workers_[i].variant;
      series.trial = results[i].front().assumed_keeps ? "" : workers_[i].trial;
      series.repeat_of_reference = workers_[i].repeat_of_reference;
      series.tokens_per_round = results[i].front().tokens;
      for (const RoundResult& round : results[i]) series.seconds.push_back(round.seconds);
      series.ideal_speedup = reference_cost / mean_cost(results[i]);
      series.kept_fraction = mean_keeps(results[i]);
      series.assumed_keeps = results[i].front().assumed_keeps;
      for (const RoundResult& round : results[i])
        series.peak_memory_bytes = std::max(series.peak_memory_bytes, round.peak_memory_bytes);
      out.series.push_back(series);
    }
    return out;
  }

  static std::vector<double> mean_keeps(const std::vector<RoundResult>& rounds) {
    std::vector<double> mean(rounds.front().kept_fraction.size(), 0);
    for (const RoundResult& round : rounds)
      for (size_t m = 0; m < mean.size(); ++m)
        mean[m] += round.kept_fraction.at(m) / static_cast<double>(rounds.size());
    return mean;
  }

  const Plan& plan_;
  fs::path folder_;
  ProgressLine& progress_;
  MeasureConfig config_;
  std::vector<Worker> workers_;
  double conditions_done_ = 0, condition_share_ = 1;
};

}  // namespace

void measure_study(const Plan& plan, const fs::path& study_folder, const Catalog&,
                   ProgressLine& progress) {
  json identity = {plan.measure, plan.compare_to};
  for (const PlannedTrial& trial : plan.trials)
    if (trial.probe.empty() && trial.seed == plan.seeds.front()) identity.push_back(trial.train_id);
  const fs::path path = study_folder / "bench" / (short_hash(identity.dump()) + ".json");
  if (fs::exists(path)) return;
  BenchFile file;
  file.compare_to = plan.compare_to;
  file.environment = environment();
  file.provenance = code_provenance();
  file.measurements = Coordinator(plan, study_folder, progress).run();
  // One measurement per study stands: those of an earlier plan would be reported beside it.
  if (fs::is_directory(study_folder / "bench"))
    for (const auto& entry : fs::directory_iterator(study_folder / "bench"))
      fs::remove(entry.path());
  write_file_durably(path, write_fields(file).dump(1) + "\n");
  progress.note("speed measured");
}

}  // namespace sublab

// The coordinator's side of experiments/measure/measure.h: rounds, and what is made of them.
#include "experiments/measure/measure.h"

#include <algorithm>
#include <set>

#include "core/hash.h"
#include "core/random.h"
#include "core/schema/record.h"
#include "experiments/machine/calibrate.h"
#include "experiments/machine/device.h"
#include "experiments/machine/environment.h"
#include "experiments/measure/balanced_turns.h"

namespace sublab {
namespace {

struct Resident {
  std::unique_ptr<BenchWorker> worker;
  bool repeat_of_reference = false;
  const std::string& variant() const { return worker->trial().variant; }
};

RoundResult ask(const Resident& resident, const RoundOrder& order) {
  const auto result = resident.worker->ask(order);
  if (!result) throw UserError("bench", "out of memory in the worker of " + resident.variant());
  return *result;
}

/// Every measured trial, and the reference once more at the end. Each mode has processes of its
/// own: what training leaves behind is no part of what inference takes.
std::vector<Resident> start_workers(const Plan& plan, const fs::path& folder,
                                    const std::string& mode) {
  std::vector<Resident> out;
  const auto start = [&](const PlannedTrial& trial, bool repeat) {
    const std::string log = "bench-" + mode + "-" + trial.id + (repeat ? "-again" : "");
    out.push_back({std::make_unique<BenchWorker>(plan, trial, folder, log), repeat});
  };
  const auto trials = measured_trials(plan);
  for (const PlannedTrial* trial : trials) start(*trial, false);
  for (const PlannedTrial* trial : trials)
    if (trial->variant == plan.compare_to) start(*trial, true);
  return out;
}

/// How often a round repeats its work, so that the reference takes about a fifth of a second.
int64_t repeats_for(double seconds_once) {
  constexpr double kRoundSeconds = 0.2;
  return std::clamp<int64_t>(static_cast<int64_t>(kRoundSeconds / std::max(seconds_once, 1e-6)), 1,
                             64);
}

class Coordinator {
 public:
  Coordinator(const Plan& plan, const fs::path& folder, const Calibration& rates,
              ProgressLine& progress, const std::function<bool()>& stop)
      : plan_(plan), rates_(rates), progress_(progress), stop_(stop), folder_(folder) {
    read_fields(plan.measure, "plan.json: /measure", config_);
  }

  /// Nothing when it was stopped.
  std::optional<std::vector<BenchMeasurement>> run() {
    std::vector<BenchMeasurement> out;
    const size_t total = config_.modes.size() * config_.context.size() * config_.batch.size();
    for (const std::string& mode : config_.modes) {
      workers_.clear();
      workers_ = start_workers(plan_, folder_, mode);
      for (const int64_t context : config_.context)
        for (const int64_t batch : config_.batch) {
          conditions_done_ = static_cast<double>(out.size()) / static_cast<double>(total);
          condition_share_ = 1.0 / static_cast<double>(total);
          out.push_back(measure(mode, context, batch));
          if (stopped()) return std::nullopt;
        }
    }
    return out;
  }

 private:
  bool stopped() const { return stop_ && stop_(); }

  BenchMeasurement measure(const std::string& mode, int64_t context, int64_t batch) {
    RoundOrder order{mode,
                     context,
                     batch,
                     config_.decode_tokens,
                     0,
                     1,
                     rates_.flops_per_s(),
                     rates_.read_bytes_per_s()};
    std::vector<std::vector<RoundResult>> results(workers_.size());
    double reference_seconds = 0;
    // Warm-up with the same shape, twice: the first also builds caches.
    for (const Resident& worker : workers_) {
      ask(worker, order);
      const double seconds = ask(worker, order).seconds;
      if (worker.variant() == plan_.compare_to) reference_seconds = seconds;
    }
    order.repeats = repeats_for(reference_seconds);
    const auto turns = balanced_turns(workers_.size(), stream_key(1, "rounds"));
    for (int64_t round = 0; round < config_.rounds; ++round) {
      if (stopped()) return {};
      order.round = round;
      progress_.show(conditions_done_ + condition_share_ * static_cast<double>(round) /
                                            static_cast<double>(config_.rounds),
                     "speed: " + mode + ", round " + std::to_string(round + 1));
      for (const size_t i : turns[static_cast<size_t>(round) % turns.size()])
        results[i].push_back(ask(workers_[i], order));
    }
    return collect(order, results);
  }

  BenchMeasurement collect(const RoundOrder& order,
                           const std::vector<std::vector<RoundResult>>& results) const {
    std::set<std::string> dtypes, devices;
    for (const auto& rounds : results) {
      dtypes.insert(rounds.front().dtype);
      devices.insert(rounds.front().device);
    }
    BenchMeasurement out{.mode = order.mode,
                         .context = order.context,
                         .batch = order.batch,
                         .dtype = join({dtypes.begin(), dtypes.end()}, " / "),
                         .series = {},
                         .device = join({devices.begin(), devices.end()}, " / ")};
    const std::vector<RoundResult>* reference = nullptr;
    for (size_t i = 0; i < workers_.size(); ++i)
      if (workers_[i].variant() == plan_.compare_to && !workers_[i].repeat_of_reference)
        reference = &results[i];
    for (size_t i = 0; i < workers_.size(); ++i) {
      const std::vector<RoundResult>& rounds = results[i];
      BenchSeries series;
      series.variant = workers_[i].variant();
      series.trial = rounds.front().assumed_keeps ? "" : workers_[i].worker->trial().id;
      series.repeat_of_reference = workers_[i].repeat_of_reference;
      series.tokens_per_round = rounds.front().tokens;
      series.ideal_speedup =
          mean(*reference, &RoundResult::cost) / mean(rounds, &RoundResult::cost);
      series.ideal_speedup_weighted =
          mean(*reference, &RoundResult::roofline_s) / mean(rounds, &RoundResult::roofline_s);
      series.flops_per_token = mean(rounds, &RoundResult::flops_per_token);
      series.bytes_per_token = mean(rounds, &RoundResult::bytes_per_token);
      series.kept_fraction = mean(rounds, &RoundResult::kept_fraction);
      series.reached_fraction = mean(rounds, &RoundResult::reached_fraction);
      series.assumed_keeps = rounds.front().assumed_keeps;
      series.kv_cache_bytes = mean(rounds, &RoundResult::kv_cache_bytes);
      add_samples(order, rounds, series);
      out.series.push_back(series);
    }
    return out;
  }

  static void add_samples(const RoundOrder& order, const std::vector<RoundResult>& rounds,
                          BenchSeries& series) {
    for (const RoundResult& round : rounds) {
      series.seconds.push_back(round.seconds);
      series.peak_memory_bytes = std::max(series.peak_memory_bytes, round.peak_memory_bytes);
      if (order.mode == "train") continue;
      series.time_to_first_token_ms.push_back(round.time_to_first_token_ms);
      if (order.mode == "prefill") continue;
      series.token_latency_ms.push_back(round.token_latency_ms);
      series.token_latency_ms_p95.push_back(round.token_latency_ms_p95);
    }
  }

  static double mean(const std::vector<RoundResult>& rounds, double RoundResult::*value) {
    double sum = 0;
    for (const RoundResult& round : rounds) sum += round.*value;
    return sum / static_cast<double>(rounds.size());
  }

  static std::vector<double> mean(const std::vector<RoundResult>& rounds,
                                  std::vector<double> RoundResult::*per_module) {
    std::vector<double> out((rounds.front().*per_module).size(), 0);
    for (const RoundResult& round : rounds)
      for (size_t m = 0; m < out.size(); ++m) out[m] += (round.*per_module).at(m);
    for (double& value : out) value /= static_cast<double>(rounds.size());
    return out;
  }

  const Plan& plan_;
  const Calibration& rates_;
  ProgressLine& progress_;
  const std::function<bool()>& stop_;
  fs::path folder_;
  MeasureConfig config_;
  std::vector<Resident> workers_;  ///< of the mode that is measured
  double conditions_done_ = 0, condition_share_ = 1;
};

/// Where the reference is measured: ceilings are that device's.
at::Device device_of(const Plan& plan) {
  for (const PlannedTrial* trial : measured_trials(plan))
    if (trial->variant == plan.compare_to)
      return find_device(trial->config.at("train").value("device", "cpu"), "/train/device");
  return at::kCPU;
}

}  // namespace

bool measure_study(const Plan& plan, const fs::path& study_folder, ProgressLine& progress,
                   const std::function<bool()>& stop) {
  json measured = plan.measure;
  measured.erase("modelled_context");  // decides tables, nothing that is measured
  json identity = {measured, plan.compare_to};
  for (const PlannedTrial* trial : measured_trials(plan)) identity.push_back(trial->train_id);
  // The rounds read validation text.
  for (const CorpusContent& corpus : plan.content.corpora) identity.push_back(corpus.validation);
  const fs::path path = study_folder / "bench" / (short_hash(identity.dump()) + ".json");
  if (fs::exists(path)) return true;
  BenchFile file;
  file.compare_to = plan.compare_to;
  const at::Device device = device_of(plan);
  file.environment = environment(device);
  file.provenance = code_provenance();
  file.memory_budget_bytes = plan.measure.value("memory_budget_bytes", 0.0);
  file.largest_batches = find_largest_batches(plan, study_folder, progress);
  const Calibration rates = calibrate(device);
  file.calibration = rates.to_json();
  auto measurements = Coordinator(plan, study_folder, rates, progress, stop).run();
  if (!measurements) return false;
  file.measurements = std::move(*measurements);
  // One measurement per study stands: those of an earlier plan would be reported beside it.
  if (fs::is_directory(study_folder / "bench"))
    for (const auto& entry : fs::directory_iterator(study_folder / "bench"))
      fs::remove(entry.path());
  file.digest = digest_of(write_fields(file));
  write_file_durably(path, write_fields(file).dump(1) + "\n");
  progress.note("speed measured");
  return true;
}

}  // namespace sublab

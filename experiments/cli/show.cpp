// sublab show: what a study will train, and what that costs.
#include <ATen/Parallel.h>

#include <cstdio>
#include <iostream>
#include <map>

#include "analysis/text/format.h"
#include "analysis/text/rope_text.h"
#include "core/progress.h"
#include "core/schema/metrics.h"
#include "experiments/cli/run.h"
#include "experiments/machine/device.h"
#include "experiments/machine/memory_room.h"
#include "experiments/plan/cost_estimate.h"
#include "experiments/plan/make_plan.h"
#include "experiments/plan/resolve_study.h"
#include "experiments/train/trainer.h"

namespace sublab {
namespace {

struct CacheSize {
  int64_t context, batch;
  double bytes;
};

/// One variant, costed.
struct Shown {
  std::string variant;
  json config;
  StepShape step;
  double parameters = 0, train_flops = 0, train_flops_square = 0;
  std::optional<double> train_seconds;  ///< nothing where its device is not here
  double room = 0;                      ///< bytes that are free where it would train
  int64_t n_trials = 0;
  Ledger ledger, decode;
  MemoryEstimate memory;
  std::vector<CacheSize> caches;
};

/// What training can count on, each device and dtype asked once.
class Rates {
 public:
  std::optional<double> of(const TrainConfig& config) {
    const auto key = std::pair(config.device, config.dtype);
    const auto [at, fresh] = known_.try_emplace(key);
    if (fresh) at->second = training_rate(config);
    return at->second;
  }

 private:
  std::map<std::pair<std::string, std::string>, std::optional<double>> known_;
};

Shown describe(const PlannedTrial& trial, const MeasureConfig& measure, Rates& rates,
               const Catalog& catalog) {
  Shown out;
  TrialConfig config;
  read_fields(trial.config, "show", config);
  out.variant = trial.variant;
  out.config = trial.config;
  const int64_t context = config.data.context_len;
  const auto model = planned_model(config, catalog);
  out.parameters = n_parameters(*model);
  model->add_cost(CostShape::whole_rows(1, context), out.ledger);
  const bool again = config.train.recompute;
  out.train_flops = out.ledger.training_flops_causal(again) / static_cast<double>(context);
  out.train_flops_square = out.ledger.training_flops_square(again) / static_cast<double>(context);
  model->add_cost(CostShape::decode(1, context), out.decode);
  out.step = step_shape(config.train, context);
  if (const auto rate = rates.of(config.train))
    out.train_seconds = training_seconds(training_flops(*model, config), *rate);
  if (const auto device = present_device(config.train.device))
    out.room = memory_room(*device).free_bytes;
  out.memory = training_memory(*model, config.train, context);
  for (const int64_t length : measure.context)
    for (const int64_t batch : measure.batch)
      out.caches.push_back({length, batch, prefill_memory(*model, batch, length).cache});
  return out;
}

/// The first trial of each variant, in order, of the variants that are asked for.
std::vector<Shown> describe_all(const Study& study, const Plan& plan, const std::string& only,
                                Rates& rates, const Catalog& catalog) {
  MeasureConfig measure = study.measure;
  std::vector<Shown> out;
  for (const PlannedTrial& trial : plan.trials) {
    if (!only.empty() && trial.variant != only) continue;
    if (trial.probe.empty() && trial.seed == plan.seeds.front()) {
      if (!study.has_measure) measure.context = {trial.config.at("data").at("context_len")};
      out.push_back(describe(trial, measure, rates, catalog));
    }
    if (trial.probe.empty() && !out.empty()) ++out.back().n_trials;
  }
  return out;
}

json memory_json(const MemoryEstimate& memory) {
  return {{"weights_bytes", memory.weights},
          {"optimizer_bytes", memory.optimizer},
          {"gradient_bytes", memory.gradients},
          {"activation_bytes", memory.activations},
          {metric::kPeakMemoryBytes, memory.peak}};
}

json as_json(const Shown& shown, const std::vector<SolvedValue>& all_solved) {
  json solved = json::array();
  for (const SolvedValue& each : all_solved)
    if (each.variant == shown.variant) solved.push_back(write_fields(each));
  json caches = json::array();
  for (const CacheSize& cache : shown.caches)
    caches.push_back({{"context", cache.context},
                      {"batch", cache.batch},
                      {"dtype", "float32"},
                      {"kv_cache_bytes", cache.bytes}});
  return {{"variant", shown.variant},
          {"config", shown.config},
          {"solved", solved},
          {metric::kParams, shown.parameters},
          {metric::kTrainFlopsPerToken, shown.train_flops},
          {metric::kDecodeBytesPerToken, shown.decode.bytes()},
          {"train_memory", memory_json(shown.memory)},
          {"kv_cache", caches},
          {"train_seconds_estimate", shown.train_seconds ? json(*shown.train_seconds) : json()},
          {"ledger", shown.ledger.to_json()},
          {"decode_ledger", shown.decode.to_json()}};
}

void print_costs(const std::vector<Shown>& all) {
  std::printf("%-28s %12s %14s %14s %14s\n", "variant", "parameters", "FLOPs/token",
              "(full square)", "decode bytes");
  std::printf("%-28s %12s %14s %14s %14s\n", "", "", "training", "training", "per token");
  for (const Shown& each : all)
    std::printf("%-28s %12.0f %14.4g %14.4g %14.4g\n", each.variant.c_str(), each.parameters,
                each.train_flops, each.train_flops_square, each.decode.bytes());
}

/// Nothing where no variant stretches its rotary positions.
void print_ropes(const std::vector<Shown>& all) {
  bool headed = false;
  for (const Shown& each : all) {
    const std::string text = rope_text(each.config.at("model"));
    if (text.empty()) continue;
    if (!headed) std::printf("\nRotary positions\n");
    headed = true;
    std::printf("%-28s %s\n", each.variant.c_str(), text.c_str());
  }
}

/// Where the trials train, and what is free there.
std::string room_text(const std::vector<Shown>& all) {
  const std::string device = all.front().config.at("train").value("device", "cpu");
  const double room = all.front().room;
  if (device == "cpu") return "this machine has " + megabytes(room) + " free";
  return room > 0 ? device + " has " + megabytes(room) + " free" : "this machine has no " + device;
}

/// Peaks that there is no room for are marked.
void print_memory(const std::vector<Shown>& all) {
  std::printf("\nTraining memory; %s\n%-28s %9s %12s %10s %10s %10s %12s %10s\n",
              room_text(all).c_str(), "variant", "dtype", "rows a pass", "weights", "moments",
              "gradients", "activations", "peak");
  for (const Shown& each : all) {
    const MemoryEstimate& m = each.memory;
    const std::string dtype = each.config.at("train").at("dtype");
    const std::string rows = std::to_string(each.step.rows_per_pass) + " of " +
                             each.config.at("data").at("context_len").dump();
    std::printf("%-28s %9s %12s %10s %10s %10s %12s %10s%s\n", each.variant.c_str(), dtype.c_str(),
                rows.c_str(), megabytes(m.weights).c_str(), megabytes(m.optimizer).c_str(),
                megabytes(m.gradients).c_str(), megabytes(m.activations).c_str(),
                megabytes(m.peak).c_str(),
                each.room > 0 && m.peak > each.room ? "  does not fit" : "");
  }
}

void print_caches(const std::vector<Shown>& all) {
  std::printf("\nKV cache, float32, by tokens x rows\n%-28s", "variant");
  if (all.empty()) return;
  for (const CacheSize& cache : all.front().caches)
    std::printf(" %14s",
                (std::to_string(cache.context) + " x " + std::to_string(cache.batch)).c_str());
  for (const Shown& each : all) {
    std::printf("\n%-28s", each.variant.c_str());
    for (const CacheSize& cache : each.caches) std::printf(" %14s", megabytes(cache.bytes).c_str());
  }
  std::printf("\n");
}

/// `rate` is that of the first variant; one that trains elsewhere has its own time all the same.
void print_times(const std::vector<Shown>& all, double all_flops, std::optional<double> rate) {
  if (!rate) {
    std::printf("\nTraining time: not known; %s\n", room_text(all).c_str());
    return;
  }
  std::printf(
      "\nTraining time here, at %.0f %% of the matrix product's %.0f GFLOP/s (an estimate)\n",
      100 * kTrainingUtilisation, *rate / 1e9);
  for (const Shown& each : all)
    if (each.train_seconds)
      std::printf("%-28s %12s a trial of %s tokens, times %ld\n", each.variant.c_str(),
                  duration_text(*each.train_seconds).c_str(),
                  si_text(each.config.at("train").at("tokens").get<double>()).c_str(),
                  each.n_trials);
  std::printf("%-28s %12s for all trials of the study, tuning and probes included\n", "",
              duration_text(training_seconds(all_flops, *rate)).c_str());
}

void print_ledger(const std::string& mode, const Ledger& ledger) {
  std::printf("\n%s\n%5s %5s  %-18s %10s %14s %14s %14s %14s\n", mode.c_str(), "level", "layer",
              "part", "tokens", "FLOPs causal", "FLOPs square", "bytes", "kept bytes");
  for (const LedgerLine& line : ledger.lines())
    std::printf("%5ld %5s  %-18s %10.4g %14.4g %14.4g %14.4g %14.4g\n", line.level,
                line.layer < 0 ? "-" : std::to_string(line.layer).c_str(), line.part.c_str(),
                line.tokens, line.flops_causal, line.flops_square, line.bytes,
                line.activation_bytes);
  std::printf("%5s %5s  %-18s %10s %14.4g %14.4g %14.4g\n", "", "", "sum", "",
              ledger.flops_causal(), ledger.flops_square(), ledger.bytes());
}

void print_details(const Shown& shown) {
  std::printf("\n%s\n", shown.config.dump(1).c_str());
  const std::string context = shown.config.at("data").at("context_len").dump();
  const std::string passes = shown.config.at("train").at("recompute")
                                 ? "3 times this, and the blocks once more"
                                 : "3 times this";
  print_ledger(
      "prefill of one row of " + context + " tokens, float32 (a training pass: " + passes + ")",
      shown.ledger);
  print_ledger("decode, float32, one token " + context + " tokens deep", shown.decode);
}

struct Arguments {
  std::string file, variant;
  std::vector<std::string> assignments;
  bool as_json = false;
};

void show(const Arguments& arguments, const Catalog& catalog) {
  const Study study = read_study(arguments.file, arguments.assignments);
  const Plan plan =
      make_plan(resolve_study(study, catalog), threads_of(study), first_rates(study), catalog);
  const std::string& only = arguments.variant;
  if (!only.empty() &&
      std::find(plan.variants.begin(), plan.variants.end(), only) == plan.variants.end())
    throw_unknown_name(arguments.file, "variant", only, plan.variants);
  if (study.threads > 0) at::set_num_threads(static_cast<int>(study.threads));
  Rates rates;
  const auto all = describe_all(study, plan, only, rates, catalog);
  if (arguments.as_json) {
    json out = json::array();
    for (const Shown& each : all) out.push_back(as_json(each, plan.solved));
    std::cout << out.dump(1) << "\n";
    return;
  }
  const auto n_widening =
      std::count_if(plan.trials.begin(), plan.trials.end(),
                    [](const PlannedTrial& trial) { return trial.widens != 0; });
  const auto n_at_most =  // a grid widens on one side
      std::count_if(plan.trials.begin(), plan.trials.end(),
                    [](const PlannedTrial& trial) { return trial.widens < 0; });
  const std::string more =
      n_widening > 0 ? " (and up to " + std::to_string(n_at_most) + " that widen grids)" : "";
  std::printf("%s: %s\n%zu variants, %zu seeds, %zu trials%s, compared to %s\n\n",
              plan.study.c_str(), plan.question.c_str(), plan.variants.size(), plan.seeds.size(),
              plan.trials.size() - static_cast<size_t>(n_widening), more.c_str(),
              plan.compare_to.c_str());
  const double all_flops =
      missing_training_flops(plan, catalog, [](const PlannedTrial&) { return false; });
  if (all.empty()) return;
  TrialConfig first;
  read_fields(all.front().config, "show", first);
  for (const SolvedValue& solved : plan.solved)
    std::printf("picked: %s\n%s", solved_text(solved).c_str(),
                &solved == &plan.solved.back() ? "\n" : "");
  print_costs(all);
  print_ropes(all);
  print_memory(all);
  print_caches(all);
  print_times(all, all_flops, rates.of(first.train));
  if (!only.empty()) print_details(all.front());
}

}  // namespace

void add_show_command(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand(
      "show", "a study resolved: configuration, parameters, ledger, memory and time it will take");
  command->footer("Example: sublab show experiments/studies/quick.json --variant subllm_0.64");
  auto arguments = std::make_shared<Arguments>();
  command
      ->add_option("STUDY", arguments->file,
                   "study file, or the name of one that comes with the program")
      ->required();
  command->add_option("--variant", arguments->variant,
                      "one variant in full, with its ledger per layer");
  command->add_option("--set", arguments->assignments, "change the base")->take_all();
  command->add_flag("--json", arguments->as_json, "print JSON");
  command->callback([&context, arguments] {
    arguments->file = study_file(arguments->file).string();
    show(*arguments, context.catalog);
  });
}

}  // namespace sublab

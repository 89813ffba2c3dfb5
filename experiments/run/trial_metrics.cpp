// Metrics of a trial that no task measures (experiments/run/trial_metrics.h).
#include "experiments/run/trial_metrics.h"

#include <cmath>

#include "core/schema/arrays.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace trial_metrics {

void add(const std::string& name, double value, Record& record) {
  const bool finite = std::isfinite(value);
  record.metrics.push_back({name, finite ? std::optional(value) : std::nullopt, json::object(),
                            finite ? "" : "not finite"});
}

void add_curve(const std::vector<TrainingPoint>& points, NpyMembers& arrays) {
  std::vector<double> curve;
  for (const TrainingPoint& point : points)
    curve.insert(curve.end(), {point.tokens, point.loss_nats});
  arrays[array::kLossCurve] = npy_array(curve, {static_cast<int64_t>(points.size()), 2});
}

void add_selection(const std::vector<SelectionPoint>& points, const LanguageModel& model,
                   NpyMembers& arrays, Record& record) {
  if (points.empty()) return;
  std::vector<double> numbers;
  for (const SelectionPoint& point : points)
    for (const double number : point.numbers()) numbers.push_back(number);
  arrays[array::kSelectionCurve] =
      npy_array(numbers, {static_cast<int64_t>(points.size()), SelectionPoint::kNumbers});
  const auto sites = model.selection_sites();
  for (const SelectionPoint& point : points) {
    if (point.step != points.back().step) continue;
    for (const auto& [name, value] : std::vector<std::pair<std::string, double>>{
             {metric::kScoreAboveThreshold, point.above_threshold},
             {metric::kScoreInside, point.inside},
             {metric::kScoreEntropy, point.score_entropy},
             {metric::kDiscardedWeight, point.discarded_weight},
             {metric::kKeptNotAboveThreshold, point.kept_not_above},
             {metric::kBypassMin, point.bypass_min},
             {metric::kBypassMean, point.bypass_mean},
             {metric::kBypassMax, point.bypass_max},
             {metric::kKeptDrift, point.drift}})
      if (!std::isnan(value))
        record.metrics.push_back({metric::at_level(name, sites[point.module].level),
                                  value,
                                  {{condition::kModule, point.module}},
                                  ""});
  }
}

/// The weight that the heads of each layer give a compressive memory.
void add_memory_gates(const LanguageModel& model, Record& record) {
  int64_t layer = 0;
  for (const Parameter& parameter : model.parameters()) {
    if (!parameter.name.ends_with(".memory_gate")) continue;
    const at::Tensor gate = parameter.tensor.detach().to(at::kDouble).sigmoid().cpu();
    for (const auto& [name, value] :
         std::vector<std::pair<std::string, at::Tensor>>{{metric::kMemoryGateMin, gate.min()},
                                                         {metric::kMemoryGateMean, gate.mean()},
                                                         {metric::kMemoryGateMax, gate.max()}}) {
      add(name, value.item<double>(), record);
      record.metrics.back().conditions[condition::kLayer] = layer;
    }
    ++layer;
  }
}

}  // namespace trial_metrics

void add_size(const LanguageModel& model, const TrialConfig& config, Record& record) {
  using trial_metrics::add;
  const auto context = static_cast<double>(config.data.context_len);
  const auto tokens = static_cast<double>(config.train.tokens);
  double parameters = 0, embedding = 0;
  for (const Parameter& parameter : model.parameters()) {
    parameters += static_cast<double>(parameter.tensor.numel());
    if (parameter.name == "model.embed_tokens.weight" || parameter.name == "lm_head.weight")
      embedding += static_cast<double>(parameter.tensor.numel());
  }
  Ledger ledger, decode;
  model.add_cost(CostShape::whole_rows(1, config.data.context_len), ledger);
  model.add_cost(CostShape::decode(1, config.data.context_len), decode);
  record.ledger = ledger.to_json();
  add(metric::kParams, parameters, record);
  add(metric::kParamsNonEmbedding, parameters - embedding, record);
  add(metric::kTrainFlopsPerToken, ledger.training_flops_causal(config.train.recompute) / context,
      record);
  add(metric::kDecodeBytesPerToken, decode.bytes(), record);
  add(metric::kTrainTokens, tokens, record);
  add(metric::kTokensPerParameter, tokens / parameters, record);
}

void add_training(const TrainingResult& result, const LanguageModel& model, NpyMembers& arrays,
                  Record& record) {
  record.outcome = result.outcome;
  record.detail = result.detail;
  record.times["train_seconds"] = result.seconds;
  trial_metrics::add_curve(result.curve, arrays);
  trial_metrics::add_selection(result.selection, model, arrays, record);
  trial_metrics::add_memory_gates(model, record);
}

void add_machine_use(const MachineUse& before, const MachineUse& after, Record& record) {
  record.times["train_cpu_seconds"] = after.cpu_seconds - before.cpu_seconds;
  if (before.wait_seconds && after.wait_seconds)
    record.times["train_wait_seconds"] = *after.wait_seconds - *before.wait_seconds;
  record.times["train_load_at_start"] = before.load;
  record.times["train_load_at_end"] = after.load;
}

}  // namespace sublab

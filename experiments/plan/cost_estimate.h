// What work takes before it is done: memory by the ledger, time by the ledger's FLOPs and this
// machine's rate.
#pragma once

#include <functional>
#include <optional>

#include "core/schema/plan.h"
#include "core/schema/trial_config.h"
#include "experiments/catalog.h"
#include "experiments/plan/resolved_study.h"
#include "models/language_model.h"

namespace sublab {

/// Bytes of tensors at the peak of some work. The parts need not peak together, so `peak` is less
/// than their sum.
struct MemoryEstimate {
  double weights = 0;      ///< float32 masters beside bfloat16 weights included
  double optimizer = 0;    ///< both moments
  double gradients = 0;    ///< one per weight; beside bfloat16 weights, their float32 copies too
  double activations = 0;  ///< kept for the backward pass, or a block's own where nothing trains
  double cache = 0;        ///< keys and values of the rows' past
  double peak = 0;
};

/// One optimizer step of `config` over rows of `context_len` tokens.
MemoryEstimate training_memory(const LanguageModel& model, const TrainConfig& config,
                               int64_t context_len);
/// A prompt of `context` tokens in each of `n_rows` rows, in float32.
MemoryEstimate prefill_memory(const LanguageModel& model, int64_t n_rows, int64_t context);
/// One more token in each row after it.
MemoryEstimate decode_memory(const LanguageModel& model, int64_t n_rows, int64_t context);

/// What a step of `config` needs and which pass would fit in `room` bytes: "95.2 GB by the ledger,
/// there are 79.1 GB; train.micro_batch_tokens 8192 (2 rows a pass) would fit". Where all of it
/// fits by the ledger, only the two numbers.
std::string memory_advice(const LanguageModel& model, const TrainConfig& config,
                          int64_t context_len, double room);

/// The model of a trial's configuration in shapes alone, with the vocabulary that its tokenizer
/// has.
std::unique_ptr<LanguageModel> planned_model(const TrialConfig& config, const Catalog& catalog);

double n_parameters(const LanguageModel& model);

/// FLOPs of training by the ledger, causal.
double training_flops(const LanguageModel& model, const TrialConfig& config);
/// The same of all trials of a study, where two that train the same count twice, without those that
/// may widen a grid of learning rates.
double all_training_flops(const ResolvedStudy& resolved, const Catalog& catalog);
/// The same of the plan's trials that `is_done` says nothing of, each train_id once.
double missing_training_flops(const Plan& plan, const Catalog& catalog,
                              const std::function<bool(const PlannedTrial&)>& is_done);

/// The rate of a matrix product on the device of training, measured for a fifth of a second: in its
/// dtype, on a CPU in float32; nothing where this machine has no such device.
std::optional<double> training_rate(const TrainConfig& config);

/// Seconds that training FLOPs take on this machine: at kTrainingUtilisation of that rate.
double training_seconds(double flops, double matmul_flops_per_s);
/// What training steps here reach of a matrix product's rate, about (docs/measurement.md).
inline constexpr double kTrainingUtilisation = 0.5;

}  // namespace sublab

// Memory and FLOPs by the ledger (experiments/plan/cost_estimate.h).
#include "experiments/plan/cost_estimate.h"

#include <algorithm>
#include <map>
#include <set>

#include "analysis/text/format.h"
#include "data/tokenizer.h"
#include "experiments/machine/calibrate.h"
#include "experiments/machine/device.h"
#include "experiments/train/trainer.h"
#include "models/parts/lm_head.h"

namespace sublab {
namespace {

constexpr double kFloatBytes = 4, kTokenBytes = 8;

double logits_bytes(const LanguageModel& model, double tokens, double bytes_per_number) {
  const auto chunk = static_cast<double>(loss_chunk_tokens(model.vocab_size(), model.device()));
  return std::min(tokens, chunk) * static_cast<double>(model.vocab_size()) * bytes_per_number;
}

/// What the largest block holds while it runs without gradients: its stages (attention,
/// feed-forward) come one after the other, each beside the block's input, what the stage gives and
/// the sum that leaves it.
double largest_block(const Ledger& ledger) {
  std::map<int64_t, double> input;
  std::map<std::pair<int64_t, std::string>, double> stages;
  for (const LedgerLine& line : ledger.lines()) {
    if (line.layer < 0) continue;
    input[line.layer] += line.input_bytes;
    stages[{line.layer, line.part.substr(0, line.part.find('.'))}] += line.activation_bytes;
  }
  double largest = 0;
  for (const auto& [stage, bytes] : stages)
    largest = std::max(largest, bytes + 3 * input[stage.first]);
  return largest;
}

MemoryEstimate inference_memory(const LanguageModel& model, const CostShape& shape) {
  Ledger ledger;
  model.add_cost(shape, ledger);
  MemoryEstimate out;
  out.weights = n_parameters(model) * kFloatBytes;
  out.cache = ledger.cache_bytes();
  out.activations = largest_block(ledger);
  out.peak = out.weights + out.cache + out.activations;
  return out;
}

}  // namespace

MemoryEstimate training_memory(const LanguageModel& model, const TrainConfig& config,
                               int64_t context_len) {
  const bool half = config.dtype == "bfloat16";
  const double n = n_parameters(model), bytes = half ? 2 : kFloatBytes;
  const StepShape step = step_shape(config, context_len);
  CostShape shape = CostShape::whole_rows(step.rows_per_pass, context_len);
  shape.bytes_per_number = bytes;
  shape.plain = half && resolve_device(config.device, "/train/device") == "cpu";
  Ledger ledger;
  model.add_cost(shape, ledger);
  const auto tokens = static_cast<double>(step.rows_per_pass * context_len);
  MemoryEstimate out;
  out.weights = n * (half ? bytes + kFloatBytes : bytes);
  out.optimizer = 2 * n * kFloatBytes;
  out.gradients = n * (half ? bytes + kFloatBytes : bytes);
  // The plain form of the loss makes the logits' gradient beside the logits, in four pieces.
  out.activations = ledger.activation_bytes(config.recompute) +
                    logits_bytes(model, tokens, bytes) * (half ? 4 : 1);
  // Gradients come while activations go; those of earlier passes of a step are there throughout.
  const bool several = step.rows_per_pass < step.rows_per_step;
  const double pass = out.activations + (several ? n * bytes : 0);
  const double batch = 3 * kTokenBytes * static_cast<double>(step.rows_per_step * context_len);
  out.peak = out.weights + out.optimizer + batch + std::max(pass, out.gradients);
  return out;
}

MemoryEstimate prefill_memory(const LanguageModel& model, int64_t n_rows, int64_t context) {
  return inference_memory(model, CostShape::whole_rows(n_rows, context));
}

MemoryEstimate decode_memory(const LanguageModel& model, int64_t n_rows, int64_t context) {
  return inference_memory(model, CostShape::decode(n_rows, context));
}

namespace {

/// The most rows a pass, below those of `config`, whose step fits in `room`; 0 where none does.
int64_t rows_that_fit(const LanguageModel& model, TrainConfig config, int64_t context_len,
                      double room) {
  int64_t low = 0, high = step_shape(config, context_len).rows_per_pass;  // low fits, high does not
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    config.micro_batch_tokens = middle * context_len;
    (training_memory(model, config, context_len).peak <= room ? low : high) = middle;
  }
  return low;
}

std::string pass_text(int64_t rows, int64_t context_len) {
  return "train.micro_batch_tokens " + std::to_string(rows * context_len) + " (" +
         std::to_string(rows) + (rows == 1 ? " row" : " rows") + " a pass)";
}

}  // namespace

std::string memory_advice(const LanguageModel& model, const TrainConfig& config,
                          int64_t context_len, double room) {
  const double peak = training_memory(model, config, context_len).peak;
  const std::string needs = megabytes(peak) + " by the ledger, there are " + megabytes(room);
  if (peak <= room) return needs;
  if (const int64_t rows = rows_that_fit(model, config, context_len, room); rows > 0)
    return needs + "; " + pass_text(rows, context_len) + " would fit";
  TrainConfig again = config;
  again.recompute = true;
  const int64_t rows = config.recompute ? 0 : rows_that_fit(model, again, context_len, room);
  if (rows > 0)
    return needs + "; train.recompute true with " + pass_text(rows, context_len) + " would fit";
  return needs + "; not even one row a pass fits";
}

std::unique_ptr<LanguageModel> planned_model(const TrialConfig& config, const Catalog& catalog) {
  const ArchitectureEntry& entry =
      catalog.architecture(config.model.at("architecture"), "/model/architecture");
  return entry.make(config.model, planned_vocab_size(config.data.tokenizer), Initial::shapes(),
                    catalog.parts);
}

double n_parameters(const LanguageModel& model) {
  double n = 0;
  for (const Parameter& parameter : model.parameters())
    n += static_cast<double>(parameter.tensor.numel());
  return n;
}

double training_flops(const LanguageModel& model, const TrialConfig& config) {
  Ledger ledger;
  model.add_cost(CostShape::whole_rows(1, config.data.context_len), ledger);
  return ledger.training_flops_causal(config.train.recompute) /
         static_cast<double>(config.data.context_len) * static_cast<double>(config.train.tokens);
}

namespace {

/// Training FLOPs by configuration: seeds and rates of one cost the same.
class KnownFlops {
 public:
  explicit KnownFlops(const Catalog& catalog) : catalog_(catalog) {}
  double of(const TrialConfig& config) {
    const std::string key = config.model.dump() + write_fields(config.data).dump() +
                            std::to_string(config.train.tokens) +
                            (config.train.recompute ? "again" : "");
    const auto [at, fresh] = known_.try_emplace(key, 0);
    if (fresh) at->second = training_flops(*planned_model(config, catalog_), config);
    return at->second;
  }

 private:
  const Catalog& catalog_;
  std::map<std::string, double> known_;
};

}  // namespace

double all_training_flops(const ResolvedStudy& resolved, const Catalog& catalog) {
  KnownFlops known(catalog);
  double sum = 0;
  for (const ResolvedTrial& trial : resolved.trials)
    if (trial.widens == 0)
      sum += known.of(trial.config) * static_cast<double>(resolved.seeds_of(trial).size());
  return sum;
}

double missing_training_flops(const Plan& plan, const Catalog& catalog,
                              const std::function<bool(const PlannedTrial&)>& is_done) {
  std::set<std::string> counted;
  KnownFlops known(catalog);
  double sum = 0;
  for (const PlannedTrial& trial : plan.trials) {
    if (trial.widens != 0 || !counted.insert(trial.train_id).second || is_done(trial)) continue;
    TrialConfig config;
    read_fields(trial.config, "plan", config);
    sum += known.of(config);
  }
  return sum;
}

std::optional<double> training_rate(const TrainConfig& config) {
  const auto device = present_device(config.device);
  if (!device) return std::nullopt;
  return matmul_flops_per_s(*device, device->is_cpu() ? "float32" : config.dtype);
}

double training_seconds(double flops, double matmul_flops_per_s) {
  return flops / (kTrainingUtilisation * matmul_flops_per_s);
}

}  // namespace sublab

// Uniform random tokens: whoever predicts them sees them.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/random.h"
#include "experiments/audit/audit.h"
#include "experiments/text/token_hints.h"
#include "experiments/train/train.h"
#include "models/parts/lm_head.h"

namespace sublab {
namespace audit_canary {

class UniformRows : public RowSource {
 public:
  UniformRows(int64_t vocab_size, int64_t context_len, uint64_t seed)
      : vocab_size_(vocab_size), context_len_(context_len), seed_(seed) {}

  TokenRow row(int64_t index) const override {
    RandomSequence random(stream_key(seed_, "uniform_rows", static_cast<uint64_t>(index)));
    TokenRow out;
    auto next = static_cast<int64_t>(random.below(static_cast<uint64_t>(vocab_size_)));
    for (int64_t i = 0; i < context_len_; ++i) {
      out.tokens.push_back(next);
      out.hints.push_back(token_hint(next));
      next = static_cast<int64_t>(random.below(static_cast<uint64_t>(vocab_size_)));
      out.labels.push_back(next);
      out.positions.push_back(i);
    }
    out.lengths = {context_len_};
    return out;
  }
  int64_t context_len() const override { return context_len_; }
  int64_t vocab_size() const override { return vocab_size_; }

 private:
  int64_t vocab_size_, context_len_;
  uint64_t seed_;
};

constexpr int64_t kBatchTokens = 512;
constexpr int64_t kFreshTokens = 8192;
constexpr double kStandardErrors = 5;
constexpr double kFlops = 2e12;  // of the whole training; about half a minute on two cores
constexpr int64_t kFewestSteps = 10;

/// As many steps as the budget of FLOPs allows, at most `most`.
int64_t affordable_steps(const LanguageModel& model, int64_t context_len, int64_t most) {
  Ledger ledger;
  model.add_cost(CostShape::whole_rows(kBatchTokens / context_len, context_len), ledger);
  const auto steps = static_cast<int64_t>(kFlops / std::max(3 * ledger.flops_causal(), 1.0));
  return std::min(most, std::max(kFewestSteps, steps));
}

/// Losses of fresh rows in evaluate mode, [n_rows, T]; NaN where a label is ignored.
at::Tensor fresh_losses(const LanguageModel& model, const RowSource& rows, int64_t first) {
  at::NoGradGuard no_grad;
  const LabelledBatch fresh =
      make_batch(rows, first, kFreshTokens / rows.context_len(), model.device());
  const at::Tensor hidden = run_model(model, fresh.batch, nullptr, Run{});
  return token_losses(hidden, model.head_weight(), fresh.labels)
      .to(at::kDouble)
      .masked_fill(fresh.labels.lt(0), std::nan(""))
      .reshape({-1, rows.context_len()});
}

/// How far the mean of `losses` lies below `limit` - 5 standard errors; 0 or less = it does not.
double nats_below(const at::Tensor& losses, double limit) {
  const at::Tensor values = losses.masked_select(losses.isnan().logical_not());
  const double n = static_cast<double>(values.numel());
  if (n < 2) return 0;
  return limit - kStandardErrors * values.std().item<double>() / std::sqrt(n) -
         values.mean().item<double>();
}

}  // namespace audit_canary

std::unique_ptr<RowSource> uniform_rows(int64_t vocab_size, int64_t context_len, uint64_t seed) {
  return std::make_unique<audit_canary::UniformRows>(vocab_size, context_len, seed);
}

AuditCheck run_canary(LanguageModel& model, const RowSource& rows, int64_t steps, uint64_t seed) {
  namespace canary = audit_canary;
  AuditCheck out;
  out.name = "canary";
  out.weights = "trained on noise";
  TrainConfig config;
  steps = canary::affordable_steps(model, rows.context_len(), steps);
  config.batch_tokens = canary::kBatchTokens;
  config.tokens = steps * config.batch_tokens;
  config.learning_rate = 3e-3;
  config.weight_decay = 0;
  const TrainingResult trained = train(model, rows, config, seed, {});
  const StepShape shape = step_shape(config, rows.context_len());
  if (trained.outcome != "ok") {
    out.passed = false;
    out.note = trained.outcome + ": " + trained.detail;
    return out;
  }
  const double limit = std::log(static_cast<double>(rows.vocab_size()));
  const at::Tensor losses = canary::fresh_losses(model, rows, shape.n_steps * shape.rows_per_step);
  const double mean = losses.nanmean().item<double>();
  out.passed = std::isfinite(mean) && !(canary::nats_below(losses, limit) > 0);
  out.margin = std::isfinite(mean) ? std::max(0.0, limit - mean) : 1e300;
  for (int64_t t = 0; !out.passed && !out.position && t < rows.context_len(); ++t)
    if (canary::nats_below(losses.select(1, t), limit) > 0) out.position = t;
  char text[120];
  std::snprintf(text, sizeof text, "%lld steps of %lld tokens; loss %.3f, ln V %.3f",
                static_cast<long long>(steps), static_cast<long long>(config.batch_tokens), mean,
                limit);
  out.note = text;
  return out;
}

AuditCheck check_labels(const RowSource& rows, int64_t n_rows) {
  AuditCheck out;
  out.name = "labels are the next tokens";
  out.weights = "training rows";
  double wrong = 0, checked = 0;
  for (int64_t index = 0; index < n_rows; ++index) {
    const TokenRow row = rows.row(index);
    size_t begin = 0;
    for (const int64_t length : row.lengths) {
      for (int64_t i = 0; i + 1 < length; ++i) {
        const size_t at = begin + static_cast<size_t>(i);
        if (row.labels[at] == TokenRow::kIgnoredLabel) continue;
        ++checked;
        if (row.labels[at] == row.tokens[at + 1]) continue;
        ++wrong;
        out.position = out.position ? std::min(*out.position, i) : i;
      }
      begin += static_cast<size_t>(length);
    }
  }
  out.passed = wrong == 0;
  out.margin = checked > 0 ? wrong / checked : 0;
  return out;
}

}  // namespace sublab

// The text that rounds of the speed measurement read.
#pragma once

#include <vector>

#include "experiments/measure/measure.h"
#include "experiments/text/text_data.h"

namespace sublab {

/// Several inputs of one shape, which the repeats of a round take in turn, so that no cache answers
/// for work that was done just before.
class RoundInputs {
 public:
  explicit RoundInputs(std::vector<at::Tensor> sets) : sets_(std::move(sets)) {}
  /// [batch, n] tokens of a repeat.
  const at::Tensor& of(int64_t repeat) const {
    return sets_[static_cast<size_t>(repeat) % sets_.size()];
  }
  size_t n_sets() const { return sets_.size(); }

 private:
  std::vector<at::Tensor> sets_;
};

/// Sets that a round has at most; every one holds rows of its own.
inline constexpr int64_t kInputSets = 8;

/// Validation text, the same rows for every variant.
class RoundText {
 public:
  RoundText(const DataConfig& config, const DataParts& parts);
  int64_t vocab_size() const { return text_.tokenizer().vocab_size(); }
  /// Rows of `n` tokens for the order's repeats, on `device`: round and repeat decide them.
  RoundInputs inputs(const RoundOrder& order, int64_t n, at::Device device) const;

 private:
  at::Tensor rows(const RoundOrder& order, int64_t set, int64_t n) const;

  TextData text_;
};

}  // namespace sublab

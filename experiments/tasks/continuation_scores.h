// How likely a model finds given continuations of given texts.
#pragma once

#include <vector>

#include "models/language_model.h"

namespace sublab {

/// `labels[i]` is what follows `inputs[first + i]`; the last input is followed by the last label.
struct Continuation {
  std::vector<int64_t> inputs;
  size_t first = 0;
  std::vector<int64_t> labels;
};

/// Log-probability of each continuation in nats, the sum over its labels. Rows with the same inputs
/// that stand side by side are read once; a pass has at most `rows_per_pass` rows and, beyond one,
/// 8192 tokens. Neither other rows nor the size of a pass moves a score by more than rounding.
/// `run` is that of each pass; a declared length holds for all rows.
std::vector<double> continuation_scores(const LanguageModel& model,
                                        const std::vector<Continuation>& continuations,
                                        const Run& run, int64_t rows_per_pass = 16);

}  // namespace sublab

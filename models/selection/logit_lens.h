// A logit lens: what the model would predict if the stream at this depth were its last. The row of
// the token before says what it expects of a token:
//
//   p_t = softmax(head . final_norm(x_{t-1})),   p_0 = uniform
//
// with t - 1 the token before in the row of the module's parent level. Without gradients: neither
// the stream nor the head is trained by what a scorer reads there.
#pragma once

#include "models/selection/scorer.h"

namespace sublab {

class LogitLensScorer : public Scorer {
 public:
  explicit LogitLensScorer(const ScorerContext& context)
      : d_model_(context.d_model), vocab_size_(context.vocab_size) {}
  at::Tensor scores(const ScorerInput& input) const final;
  /// The last row of the stream of each row.
  std::unique_ptr<RowMemory> new_memory(int64_t n_rows) const final;
  /// The head over every token, beside the model's own; the norm is element-wise.
  void add_cost(const ScorerShape& shape, Ledger& ledger) const final;

 protected:
  /// What is asked of p_t, [N], given hidden [N, D] of the tokens before. For a uniform p_t it must
  /// be log V.
  virtual at::Tensor of_predictions(const at::Tensor& hidden, const at::Tensor& head,
                                    const at::Tensor& tokens) const = 0;

 private:
  int64_t d_model_, vocab_size_;
};

}  // namespace sublab

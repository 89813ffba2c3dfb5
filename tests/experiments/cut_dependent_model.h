// A sound model whose steps equal whole rows only where they begin with a segment.
#pragma once

#include <algorithm>

#include "tests/models/small_models.h"

namespace sublab {

/// A one-block llama whose hidden states learn the mean of the segments before their own. What is
/// left of a segment at the end of a step is folded in as if it were a whole one.
class FoldedSegments : public LanguageModel {
 public:
  static constexpr int64_t kSegment = 4;

  FoldedSegments() : inner_(small_model({{"architecture", "llama"}, {"n_layers", 1}})) {}

  at::Tensor embed(const at::Tensor& tokens) const override { return inner_->embed(tokens); }
  at::Tensor forward(const Batch& batch, at::Tensor x, DecodeState* state,
                     const Run& run) const override {
    auto* own = static_cast<State*>(state);
    const at::Tensor hidden =
        inner_->forward(batch, std::move(x), own ? own->inner.get() : nullptr, run);
    std::vector<at::Tensor> out = {hidden.slice(0, 0, 0)};
    for (int64_t b = 0; b < batch.rows->n_rows(); ++b) {
      at::Tensor sum = own ? own->sums[b] : at::zeros({hidden.size(1)}, hidden.options());
      double count = static_cast<double>(batch.rows->start(b));
      const int64_t end = batch.rows->begin(b) + batch.rows->length(b);
      for (int64_t i = batch.rows->begin(b); i < end; i += kSegment) {
        const at::Tensor segment = hidden.slice(0, i, std::min(i + kSegment, end));
        out.push_back(count > 0 ? segment + sum / count : segment);
        sum = sum + segment.sum(0);
        count += static_cast<double>(segment.size(0));
      }
      if (own) own->sums[b] = sum;
    }
    if (own) own->advance(*batch.rows);
    return at::cat(out);
  }
  const at::Tensor& head_weight() const override { return inner_->head_weight(); }
  std::unique_ptr<DecodeState> new_state(int64_t n_rows, int64_t expected) const override {
    return std::make_unique<State>(
        n_rows, inner_->new_state(n_rows, expected),
        at::zeros({head_weight().size(1)}, head_weight().options().requires_grad(false)));
  }
  std::vector<Parameter> parameters() const override { return inner_->parameters(); }
  void add_cost(const CostShape& shape, Ledger& ledger) const override {
    inner_->add_cost(shape, ledger);
  }

 private:
  struct State : DecodeState {
    State(int64_t n_rows, std::unique_ptr<DecodeState> inner, const at::Tensor& zero)
        : DecodeState(n_rows), inner(std::move(inner)), sums(n_rows, zero) {}
    State(const State& of, const std::vector<int64_t>& rows)
        : DecodeState(of, rows), inner(of.inner->fork(rows)) {
      for (const int64_t row : rows) sums.push_back(of.sums[row]);
    }
    int64_t n_bytes() const override { return inner->n_bytes(); }
    std::unique_ptr<DecodeState> fork(const std::vector<int64_t>& rows) const override {
      return std::make_unique<State>(*this, rows);
    }
    std::unique_ptr<DecodeState> inner;
    std::vector<at::Tensor> sums;  // [D] of each row's tokens so far
  };
  std::unique_ptr<LanguageModel> inner_;
};

}  // namespace sublab

// The audit catches models that look ahead.
#include "experiments/audit.h"

#include <catch2/catch.hpp>

#include "tests/models/small_models.h"

using namespace sublab;
using Catch::Contains;

namespace {

/// A model that passes everything on to a sound one and adds a leak of its own.
class Leaky : public LanguageModel {
 public:
  explicit Leaky(json config = {{"architecture", "llama"}, {"n_layers", 1}})
      : inner_(small_model(std::move(config))) {}
  at::Tensor embed(const at::Tensor& tokens) const override { return inner_->embed(tokens); }
  at::Tensor forward(const Batch& batch, at::Tensor x, DecodeState* state,
                     const Run& run) const override {
    return leak(batch, inner_->forward(batch, std::move(x), state, run), run);
  }
  const at::Tensor& head_weight() const override { return inner_->head_weight(); }
  std::unique_ptr<DecodeState> new_state(int64_t n, int64_t t) const override {
    return inner_->new_state(n, t);
  }
  std::vector<Parameter> parameters() const override { return inner_->parameters(); }
  void add_cost(const CostShape& shape, Ledger& ledger) const override {
    inner_->add_cost(shape, ledger);
  }
  virtual at::Tensor leak(const Batch& batch, at::Tensor hidden, const Run& run) const = 0;

 private:
  std::unique_ptr<LanguageModel> inner_;
};

/// Statistics over the whole row: each token sees the mean of all, future included.
struct RowMean : Leaky {
  at::Tensor leak(const Batch& batch, at::Tensor hidden, const Run&) const override {
    std::vector<at::Tensor> rows;
    for (int64_t b = 0; b < batch.rows->n_rows(); ++b) {
      const at::Tensor row =
          hidden.slice(0, batch.rows->begin(b), batch.rows->begin(b) + batch.rows->length(b));
      rows.push_back(row.numel() ? row + 1e-6 * row.mean(0, true) : row);
    }
    return at::cat(rows);
  }
};

/// Each token sees a little of the next one.
struct NextToken : Leaky {
  at::Tensor leak(const Batch& batch, at::Tensor hidden, const Run&) const override {
    at::Tensor out = hidden.clone();
    for (int64_t b = 0; b < batch.rows->n_rows(); ++b)
      for (int64_t t = batch.rows->begin(b); t + 1 < batch.rows->begin(b) + batch.rows->length(b);
           ++t)
        out[t] += 1e-7 * hidden[t + 1];
    return out;
  }
};

/// A row sees its neighbour in the batch.
struct Neighbour : Leaky {
  at::Tensor leak(const Batch& batch, at::Tensor hidden, const Run&) const override {
    return batch.rows->n_rows() > 1 ? hidden + 1e-6 * hidden.mean() : hidden;
  }
};

/// Decoding does something else than evaluation.
struct OtherStep : Leaky {
  at::Tensor leak(const Batch&, at::Tensor hidden, const Run& run) const override {
    return run.mode == Mode::step ? hidden * (1 + 1e-6) + 1e-6 : hidden;
  }
};

std::string verdict_of(const std::function<std::unique_ptr<LanguageModel>()>& make) {
  at::manual_seed(1);
  return audit_model(make, "causal", AuditSettings{}).verdict;
}

}  // namespace

TEST_CASE("models that look ahead are caught", "[contract]") {
  CHECK_THAT(verdict_of([] { return std::make_unique<RowMean>(); }), Contains("leaks(position"));
  CHECK_THAT(verdict_of([] { return std::make_unique<NextToken>(); }), Contains("leaks(position"));
  CHECK_THAT(
      verdict_of([] {
        return small_model(
            {{"architecture", "subllm"}, {"structure", "T(TT)T"}, {"evaluate_selector", "top_k"}});
      }),
      Contains("leaks(position"));
}

TEST_CASE("modes and rows that disagree are caught", "[contract]") {
  CHECK_THAT(verdict_of([] { return std::make_unique<Neighbour>(); }), Contains("inconsistent("));
  CHECK_THAT(verdict_of([] { return std::make_unique<OtherStep>(); }),
             Contains("inconsistent(stepwise"));
}

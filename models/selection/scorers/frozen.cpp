// The control of `learned`: the same linear map of the residual stream, s_t = w . x_t, whose w is
// drawn and never trained. The gate reads its scores, so that the stream can learn to write them.
#include "models/selection/projection.h"

namespace sublab {
namespace frozen {

class Frozen : public Scorer {
 public:
  Frozen(const ProjectionConfig& config, const ScorerContext& context)
      : projection_(config, context) {
    projection_.weight().set_requires_grad(false);
  }

  at::Tensor scores(const ScorerInput& input) const override { return projection_.scores(input.x); }
  std::vector<Buffer> buffers() const override {
    return {{projection_.name(), projection_.weight()}};
  }
  void add_cost(const ScorerShape& shape, Ledger& ledger) const override {
    projection_.add_cost(shape, ledger);
  }

 private:
  Projection projection_;
};

}  // namespace frozen

ScorerEntry frozen_scorer() {
  ScorerEntry entry = scorer_entry<frozen::Frozen, ProjectionConfig>(
      "frozen", "linear map of the residual stream that is never trained (control)", "control");
  entry.weighs = true;
  entry.examples = {{"", {{"init_std", 0.5}}}, {"raw", {{"init_std", 0.5}, {"input", "raw"}}}};
  return entry;
}

}  // namespace sublab

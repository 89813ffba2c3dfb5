// A control: keeps token t iff floor((t + 1) d) > floor(t d), evenly spread over the level's own
// ordinals.
#include "models/selection/scorer.h"
#include "models/transfer.h"

namespace sublab {
namespace stride {

class Stride : public Scorer {
 public:
  explicit Stride(const ScorerContext& context) : retention_(context.retention) {}

  at::Tensor scores(const ScorerInput& input) const override {
    at::Tensor out = at::empty({input.rows.n_tokens()}, at::kDouble);
    auto* value = out.data_ptr<double>();
    for (int64_t b = 0; b < input.rows.n_rows(); ++b)
      for (int64_t i = 0; i < input.rows.length(b); ++i)
        *value++ = evenly_kept(input.rows.ordinal(b, i), retention_) ? 1.0 : -1.0;
    return sent_to(input.x.device(), out).to(input.x.scalar_type());
  }

 private:
  double retention_;
};

}  // namespace stride

ScorerEntry stride_scorer() {
  return scorer_entry<stride::Stride>("stride", "keeps evenly spread tokens (control)", "control");
}

}  // namespace sublab

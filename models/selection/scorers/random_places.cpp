// A control: an irregular stride. Each place of a row is kept with probability d, the same places
// in every row,
//
//   s_t = d - u,  u uniform in [0, 1): a hash of (key, ordinal at the parent level),
//
// with the key drawn from the seed and the site and stored in the checkpoint.
#include "models/selection/drawn_key.h"
#include "models/selection/scorer.h"
#include "models/transfer.h"

namespace sublab {
namespace random_places {

class RandomPlaces : public Scorer {
 public:
  explicit RandomPlaces(const ScorerContext& context)
      : key_(context, "random_scorer"), retention_(context.retention) {}

  at::Tensor scores(const ScorerInput& input) const override {
    const uint64_t key = key_.bits();
    at::Tensor out = at::empty({input.rows.n_tokens()}, at::kDouble);
    auto* value = out.data_ptr<double>();
    for (int64_t b = 0; b < input.rows.n_rows(); ++b)
      for (int64_t i = 0; i < input.rows.length(b); ++i)
        *value++ = retention_ - unit_interval(mix_bits(key ^ input.rows.ordinal(b, i)));
    return sent_to(input.x.device(), out).to(input.x.scalar_type());
  }
  std::vector<Buffer> buffers() const override { return {key_.buffer()}; }

 private:
  DrawnKey key_;
  double retention_;
};

}  // namespace random_places

ScorerEntry random_places_scorer() {
  return scorer_entry<random_places::RandomPlaces>(
      "random_places", "keeps each place with probability d, the same in every row (control)",
      "control");
}

}  // namespace sublab

// A causal selector that pins the kept share: a running quantile with feedback. Token t of a row is
// kept iff
//
//   |{i < t : s_i >= s_t}| / (t + 1)  <  d + (d t - kept before t) / W,   W = 64,
//
// that is, iff its score is among the highest d of those so far, with d raised after too few and
// lowered after too many. Ties go to the earlier token. Whatever the scores do, with e the kept
// tokens minus d t: the left side lies in [0, 1), so that nothing is kept at e >= W d and
// everything at e <= -W (1 - d), hence -W (1 - d) - d <= e <= W d + 1 - d. Adding a number to all
// scores changes nothing, so there is no threshold. Cost: O(log t) comparisons per token, and
// moving up to t numbers.
#include <algorithm>

#include "models/selection/kept_where.h"

namespace sublab {
namespace causal_quantile {

constexpr double kWindow = 64;

struct SeenRow {
  std::vector<double> ascending;  // scores of all tokens so far
  int64_t kept = 0;

  bool keep(double score, double retention) {
    const auto place = std::lower_bound(ascending.begin(), ascending.end(), score);
    const auto n = static_cast<double>(ascending.size());
    const double share = static_cast<double>(ascending.end() - place) / (n + 1);
    const bool keeps = share < retention + (retention * n - static_cast<double>(kept)) / kWindow;
    ascending.insert(place, score);
    kept += keeps;
    return keeps;
  }
};

struct Seen : RowMemory {
  explicit Seen(int64_t n_rows) : rows(n_rows) {}
  int64_t n_bytes() const override {
    int64_t sum = 0;
    for (const SeenRow& row : rows)
      sum += static_cast<int64_t>(row.ascending.size() * sizeof(double) + sizeof row.kept);
    return sum;
  }
  std::unique_ptr<RowMemory> fork(const std::vector<int64_t>& chosen) const override {
    auto out = std::make_unique<Seen>(0);
    for (const int64_t row : chosen) out->rows.push_back(rows[row]);
    return out;
  }
  std::vector<SeenRow> rows;
};

class CausalQuantile : public Selector {
 public:
  Selection select(const SelectorInput& input) const override {
    auto& seen = static_cast<Seen&>(*input.memory);
    const at::Tensor scores = input.scores.detach().to(at::kCPU, at::kDouble).contiguous();
    const auto* score = scores.const_data_ptr<double>();
    return kept_where(input.rows, input.scores.device(), [&](int64_t b, int64_t i) {
      return seen.rows[b].keep(score[input.rows.begin(b) + i], input.retention);
    });
  }
  std::unique_ptr<RowMemory> new_memory(int64_t n_rows) const override {
    return std::make_unique<Seen>(n_rows);
  }
};

}  // namespace causal_quantile

SelectorEntry causal_quantile_selector() {
  SelectorEntry entry = selector_entry<causal_quantile::CausalQuantile>(
      "causal_quantile", "keeps the highest d of the scores so far, the share held by feedback",
      "own");
  entry.causal = true;
  entry.uses_threshold = false;
  return entry;
}

}  // namespace sublab

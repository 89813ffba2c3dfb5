// Keeps the K = T d highest scores of each row; ties go to the earlier token. Not causal: who is
// kept depends on the whole row. K is known on the host, the index never leaves the device.
#include "models/selection/selector.h"

namespace sublab {
namespace top_k {

class TopK : public Selector {
 public:
  explicit TopK(const RankingConfig& config) : config_(config) {}

  Selection select(const SelectorInput& input) const override {
    std::vector<at::Tensor> index;
    for (const RankedRows& ranked : ranked_rows(input.scores, input.rows)) {
      const int64_t k = expected(ranked.order.size(1), input.retention);
      const at::Tensor kept = std::get<0>(ranked.order.narrow(1, 0, k).sort(1));
      index.push_back(packed_index(kept, ranked.begins).flatten());
    }
    Selection out;
    out.index =
        index.empty() ? at::empty({0}, input.scores.options().dtype(at::kLong)) : at::cat(index);
    for (const int64_t length : input.rows.lengths())
      out.lengths.push_back(expected(length, input.retention));
    return out;
  }

  int64_t expected(int64_t length, double retention) const override {
    return config_.kept(length, retention);
  }

 private:
  RankingConfig config_;
};

}  // namespace top_k

SelectorEntry top_k_selector() {
  return selector_entry<top_k::TopK, RankingConfig>(
      "top_k", "keeps the K = T d highest scores of the row (not causal)", "arXiv:2404.02258");
}

}  // namespace sublab

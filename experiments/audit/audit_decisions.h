// Keep decisions with their scores, so that two runs can be compared up to ties.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <tuple>

#include "models/language_model.h"

namespace sublab {

/// What the modules of one or several runs over the same rows decided, token by token.
class DecisionLog : public Observer {
 public:
  void selected(int64_t module, const at::Tensor& scores, const Rows& rows, const at::Tensor& index,
                const at::Tensor& weights) override {
    (void)weights;
    const at::Tensor score = scores.detach().to(at::kCPU, at::kDouble).contiguous();
    const at::Tensor kept = index.to(at::kCPU).contiguous();
    const auto* value = score.const_data_ptr<double>();
    const auto* next = kept.const_data_ptr<int64_t>();
    const auto* end = next + kept.numel();
    const auto* position = rows.positions().const_data_ptr<int64_t>();
    for (int64_t b = 0; b < rows.n_rows(); ++b)
      for (int64_t t = rows.begin(b); t < rows.begin(b) + rows.length(b); ++t) {
        const bool keeps = next != end && *next == t;
        next += keeps;
        decided_[{b, position[t], module}] = {value[t], keeps};
        largest_ = std::max(largest_, std::abs(value[t]));
      }
  }

  /// The position in row `row` from which on the two runs may differ, because a score within
  /// `tolerance` (of 1, or of the largest score) of the threshold was decided differently.
  /// Nothing when all decisions agree, or when they differ for another reason.
  std::optional<int64_t> tie(int64_t row, const DecisionLog& other, int64_t other_row,
                             double tolerance) const {
    const double rounding = tolerance * std::max({1.0, largest_, other.largest_});
    for (auto it = decided_.lower_bound({row, 0, 0}); it != decided_.end(); ++it) {
      const auto [b, position, module] = it->first;
      if (b != row) break;
      const auto twin = other.decided_.find({other_row, position, module});
      if (twin == other.decided_.end() || twin->second.kept == it->second.kept) continue;
      const double nearest = std::min(std::abs(it->second.score), std::abs(twin->second.score));
      return nearest <= rounding ? std::optional(position) : std::nullopt;
    }
    return std::nullopt;
  }

  /// Share of the decisions at or after `position` that were "keep"; 0 without any.
  double kept_share(int64_t position) const {
    double kept = 0, all = 0;
    for (const auto& [place, decision] : decided_)
      if (std::get<1>(place) >= position) kept += decision.kept, ++all;
    return all > 0 ? kept / all : 0;
  }

 private:
  struct Decision {
    double score;
    bool kept;
  };
  // By row, position, module: the first difference in a row is the one that causes the others.
  std::map<std::tuple<int64_t, int64_t, int64_t>, Decision> decided_;
  double largest_ = 0;
};

}  // namespace sublab

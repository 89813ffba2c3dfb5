// What the subsampling modules of a model do while it trains.
#pragma once

#include <limits>
#include <vector>

#include "models/language_model.h"

namespace sublab {

/// One module in one training step. Scores are those that the gate sees: threshold subtracted.
struct SelectionPoint {
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  int64_t step = 0, module = 0;
  double above_threshold = 0;   ///< share of scores above 0: what evaluation would keep
  double inside = 0;            ///< share of scores in (0, 1), which alone have a gradient
  double discarded_weight = 0;  ///< mean clamp(score, 0, 1) of the tokens left out
  double kept_not_above = 0;    ///< share of the kept tokens whose score is at most 0
  /// Not a number where tokens do not return through a bypass.
  double bypass_min = kNone, bypass_mean = kNone, bypass_max = kNone;
  double score_entropy = 0;  ///< of clamp(score, 0, 1) in 16 equal bins, over log 16; 0 = all alike
  double drift = 0;          ///< kept share in training minus above_threshold

  static constexpr int64_t kNumbers = 11;
  std::vector<double> numbers() const;
  static SelectionPoint of(const std::vector<double>& numbers);
};

/// An observer that describes each selection of the passes it sees. Made anew for every step that
/// is looked at.
class SelectionMonitor : public Observer {
 public:
  explicit SelectionMonitor(int64_t step) : step_(step) {}
  void selected(int64_t module, const at::Tensor& scores, const Rows& rows, const at::Tensor& index,
                const at::Tensor& weights) override;
  void returned(int64_t module, const at::Tensor& bypass_scale) override;
  const std::vector<SelectionPoint>& points() const { return points_; }

 private:
  SelectionPoint& at_module(int64_t module);
  int64_t step_;
  std::vector<SelectionPoint> points_;
};

}  // namespace sublab

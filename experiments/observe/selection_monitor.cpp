// Describes each site's scores in one training step.
#include "experiments/observe/selection_monitor.h"

#include <algorithm>
#include <cmath>

namespace sublab {
namespace {

constexpr int64_t kBins = 16;

/// Entropy of the weights' histogram, relative to its largest value.
double entropy_of(const at::Tensor& weights) {
  const at::Tensor counts = at::histc(weights.to(at::kFloat), kBins, 0, 1).to(at::kDouble);
  const at::Tensor p = counts / counts.sum();
  return -at::special_xlogy(p, p).sum().item<double>() / std::log(static_cast<double>(kBins));
}

}  // namespace

std::vector<double> SelectionPoint::numbers() const {
  return {static_cast<double>(step),
          static_cast<double>(module),
          above_threshold,
          inside,
          discarded_weight,
          kept_not_above,
          bypass_min,
          bypass_mean,
          bypass_max,
          score_entropy,
          drift};
}

SelectionPoint SelectionPoint::of(const std::vector<double>& numbers) {
  SelectionPoint out;
  out.step = static_cast<int64_t>(numbers.at(0));
  out.module = static_cast<int64_t>(numbers.at(1));
  out.above_threshold = numbers.at(2);
  out.inside = numbers.at(3);
  out.discarded_weight = numbers.at(4);
  out.kept_not_above = numbers.at(5);
  out.bypass_min = numbers.at(6);
  out.bypass_mean = numbers.at(7);
  out.bypass_max = numbers.at(8);
  out.score_entropy = numbers.at(9);
  out.drift = numbers.at(10);
  return out;
}

SelectionPoint& SelectionMonitor::at_module(int64_t module) {
  const auto it = std::find_if(points_.begin(), points_.end(),
                               [&](const SelectionPoint& point) { return point.module == module; });
  if (it != points_.end()) return *it;
  points_.emplace_back();
  points_.back().step = step_;
  points_.back().module = module;
  return points_.back();
}

void SelectionMonitor::selected(int64_t module, const at::Tensor& scores, const Rows& rows,
                                const at::Tensor& index, const at::Tensor&) {
  at::NoGradGuard no_grad;
  if (rows.n_tokens() == 0) return;
  SelectionPoint& point = at_module(module);
  const at::Tensor s = scores.detach().cpu(), kept = s.index_select(0, index.cpu());
  const at::Tensor a = s.clamp(0, 1);
  const double n = static_cast<double>(s.numel()), n_kept = static_cast<double>(kept.numel());
  point.above_threshold = s.gt(0).sum().item<double>() / n;
  point.inside = s.gt(0).logical_and(s.lt(1)).sum().item<double>() / n;
  const double left_out = a.sum().item<double>() - kept.clamp(0, 1).sum().item<double>();
  point.discarded_weight = n > n_kept ? std::max(0.0, left_out) / (n - n_kept) : 0;
  point.kept_not_above = n_kept > 0 ? kept.le(0).sum().item<double>() / n_kept : 0;
  point.score_entropy = entropy_of(a);
  point.drift = n_kept / n - point.above_threshold;
}

void SelectionMonitor::returned(int64_t module, const at::Tensor& bypass_scale) {
  at::NoGradGuard no_grad;
  const auto known = std::find_if(points_.begin(), points_.end(), [&](const SelectionPoint& point) {
    return point.module == module;
  });
  if (known == points_.end()) return;  // at retention 1 nothing is selected
  SelectionPoint& point = *known;
  point.bypass_min = bypass_scale.min().item<double>();
  point.bypass_mean = bypass_scale.mean().item<double>();
  point.bypass_max = bypass_scale.max().item<double>();
}

}  // namespace sublab

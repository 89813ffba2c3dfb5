// Loss against compute, and what a curve is worth in compute of another.
#include "analysis/study/scaling.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

namespace sublab {
namespace {

/// Least squares with the covariance of its coefficients.
struct Fit {
  Eigen::VectorXd coefficients;
  Eigen::MatrixXd covariance;
  double squares = 0, freedom = 0;  ///< of the residuals
};

Fit least_squares(const Eigen::MatrixXd& x, const Eigen::VectorXd& y) {
  Fit fit;
  const Eigen::MatrixXd inverse = (x.transpose() * x).inverse();
  fit.coefficients = x.colPivHouseholderQr().solve(y);
  fit.squares = (y - x * fit.coefficients).squaredNorm();
  fit.freedom = static_cast<double>(x.rows() - x.cols());
  fit.covariance = fit.squares / fit.freedom * inverse;
  return fit;
}

struct Range {
  double low, high;
};

Range range_of(const std::vector<LadderPoint>& points) {
  const auto [low, high] = std::minmax_element(
      points.begin(), points.end(),
      [](const LadderPoint& a, const LadderPoint& b) { return a.flops < b.flops; });
  return {low->flops, high->flops};
}

/// Rows [1, 0, -log C] of the reference, then [0, 1, -log C]; with `own_slope` a fourth column
/// holds -log C of the second curve alone. Logs are taken from the middle, for well-conditioned
/// sums.
Eigen::MatrixXd design(const std::vector<LadderPoint>& reference,
                       const std::vector<LadderPoint>& points, double middle, bool own_slope) {
  const auto n = static_cast<Eigen::Index>(reference.size());
  Eigen::MatrixXd x =
      Eigen::MatrixXd::Zero(n + static_cast<Eigen::Index>(points.size()), own_slope ? 4 : 3);
  for (Eigen::Index i = 0; i < x.rows(); ++i) {
    const bool own = i >= n;
    const double log_flops = std::log(own ? points[i - n].flops : reference[i].flops) - middle;
    x(i, own ? 1 : 0) = 1;
    x(i, 2) = -log_flops;
    if (own_slope && own) x(i, 3) = -log_flops;
  }
  return x;
}

Eigen::VectorXd log_losses(const std::vector<LadderPoint>& reference,
                           const std::vector<LadderPoint>& points) {
  Eigen::VectorXd y(static_cast<Eigen::Index>(reference.size() + points.size()));
  Eigen::Index i = 0;
  for (const auto* curve : {&reference, &points})
    for (const LadderPoint& point : *curve) y(i++) = std::log(point.loss);
  return y;
}

/// Fieller's interval of d / b for the covariance [dd, db; db, bb] and Student's t.
bool fieller(double d, double b, double dd, double db, double bb, double t, Interval& out) {
  const double a = b * b - t * t * bb, m = d * b - t * t * db, c = d * d - t * t * dd;
  const double root = m * m - a * c;
  if (a <= 0 || root < 0) return false;
  out = {(m - std::sqrt(root)) / a, (m + std::sqrt(root)) / a};
  return true;
}

std::string obstacle(const std::vector<LadderPoint>& points, const Range& common) {
  for (const LadderPoint& point : points)
    if (point.flops <= 0 || point.loss <= 0) return "a loss or its training FLOPs are not above 0";
  std::vector<double> sizes;
  for (const LadderPoint& point : points)
    if (std::none_of(sizes.begin(), sizes.end(),
                     [&](double s) { return std::abs(s / point.flops - 1) < 1e-6; }))
      sizes.push_back(point.flops);
  if (sizes.size() < 3) return "fewer than three sizes ended well";
  if (common.low >= common.high) return "the ladders share no range of training FLOPs";
  return "";
}

/// F test of "one slope": the residuals with and without a slope of its own for the second curve.
double parallel_p_value(const Fit& common, const Fit& separate) {
  if (separate.squares <= 0) return common.squares > 0 ? 0 : 1;
  const double f = (common.squares - separate.squares) / (separate.squares / separate.freedom);
  return student_p_value(std::sqrt(std::max(f, 0.0)), separate.freedom);
}

}  // namespace

ComputeWorth compute_worth(const std::vector<LadderPoint>& points,
                           const std::vector<LadderPoint>& reference) {
  ComputeWorth out;
  if (points.empty() || reference.empty()) {
    out.reason = "no trial of the ladder ended well";
    return out;
  }
  const Range own = range_of(points), theirs = range_of(reference);
  const Range common{std::max(own.low, theirs.low), std::min(own.high, theirs.high)};
  for (const auto* curve : {&reference, &points})
    if (out.reason.empty()) out.reason = obstacle(*curve, common);
  if (!out.reason.empty()) return out;
  out.possible = true;
  out.low_flops = common.low, out.high_flops = common.high;
  const double middle = 0.5 * (std::log(common.low) + std::log(common.high));
  const Eigen::VectorXd y = log_losses(reference, points);
  const Fit one = least_squares(design(reference, points, middle, false), y);
  const Fit two = least_squares(design(reference, points, middle, true), y);
  const auto& v = one.covariance;
  const double d = one.coefficients(0) - one.coefficients(1), b = one.coefficients(2);
  out.times.value = std::exp(d / b);
  out.times.clusters = one.freedom;
  Interval logs;
  constexpr double kRounding = 1e-20;  // of squared logs
  if (one.squares <= kRounding)
    out.times.no_interval = "the losses lie on the curves but for rounding";
  else if (b > 0 && fieller(d, b, v(0, 0) + v(1, 1) - 2 * v(0, 1), v(0, 2) - v(1, 2), v(2, 2),
                            student_quantile(0.975, one.freedom), logs))
    out.times.interval = {std::exp(logs.low), std::exp(logs.high)};
  else
    out.times.no_interval = "the slope cannot be told from 0 over this range";
  out.exponent_reference = two.coefficients(2);
  out.exponent = two.coefficients(2) + two.coefficients(3);
  out.parallel_p_value = parallel_p_value(one, two);
  const auto at = [&](double flops) {  // separate fits: the C' where the reference has this loss
    const double log_flops = std::log(flops) - middle;
    const double loss = two.coefficients(1) - out.exponent * log_flops;
    return std::exp((two.coefficients(0) - loss) / out.exponent_reference - log_flops);
  };
  out.times_at_smallest = at(common.low), out.times_at_largest = at(common.high);
  return out;
}

}  // namespace sublab

// Costs beyond the measured contexts: a fit of the ledger's terms to what was timed.
#include "analysis/study/context_cost.h"

#include <Eigen/Dense>
#include <set>

namespace sublab {
namespace {

/// Least squares with every row divided by its cost, so that small contexts count as much.
Eigen::VectorXd fit(const std::vector<ContextPoint>& points, bool step, bool with_low,
                    bool with_high) {
  const auto rows = static_cast<Eigen::Index>(points.size());
  Eigen::MatrixXd x(rows, with_low + with_high);
  for (Eigen::Index i = 0; i < rows; ++i) {
    const double n = points[i].context, cost = points[i].cost;
    Eigen::Index column = 0;
    if (with_low) x(i, column++) = (step ? 1 : n) / cost;
    if (with_high) x(i, column) = (step ? n : n * n) / cost;
  }
  return x.colPivHouseholderQr().solve(Eigen::VectorXd::Ones(rows));
}

}  // namespace

double ContextModel::at(double n) const { return step ? low + high * n : low * n + high * n * n; }

std::optional<ContextModel> fit_context_model(const std::vector<ContextPoint>& points, bool step) {
  std::set<double> contexts;
  for (const ContextPoint& point : points) contexts.insert(point.context);
  if (contexts.size() < 2) return std::nullopt;
  const Eigen::VectorXd both = fit(points, step, true, true);
  if (both(0) >= 0 && both(1) >= 0) return ContextModel{both(0), both(1), step};
  if (both(0) < 0) return ContextModel{0, fit(points, step, false, true)(0), step};
  return ContextModel{fit(points, step, true, false)(0), 0, step};
}

double prompt_flops_ratio(double n, double m, double x) {
  return (n + n * n / x) / (m + m * m / x);
}

std::optional<FixedPart> solve_fixed_part(double n0, double n1, double n2, double r21, double r20) {
  // F (1 - r) + (n2^2 - r n^2) / X = r n - n2, for both ratios.
  Eigen::Matrix2d a;
  a << 1 - r21, n2 * n2 - r21 * n1 * n1, 1 - r20, n2 * n2 - r20 * n0 * n0;
  const Eigen::Vector2d b(r21 * n1 - n2, r20 * n0 - n2);
  const Eigen::Vector2d solution = a.fullPivLu().solve(b);
  if (!(solution(0) > 0) || !(solution(1) > 0)) return std::nullopt;
  return FixedPart{solution(0), 1 / solution(1)};
}

std::optional<RequestLength> solve_request(const ContextModel& prompt, const ContextModel& step,
                                           double n0, double n1, double n2, double r21) {
  const double m = (r21 * prompt.at(n1) - prompt.at(n2)) / (step.at(n2) - r21 * step.at(n1));
  if (!(m > 0)) return std::nullopt;
  const auto request = [&](double n) { return prompt.at(n) + m * step.at(n); };
  return RequestLength{m, request(n2) / request(n0)};
}

}  // namespace sublab

// Student's distribution by its continued fraction.
#include "analysis/statistics/student.h"

#include <algorithm>
#include <cmath>

namespace sublab {
namespace {

/// Continued fraction of the incomplete beta function (Lentz).
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  double c = 1, d = 1 - (a + b) * x / (a + 1);
  d = 1 / (std::abs(d) < kTiny ? kTiny : d);
  double h = d;
  for (int m = 1; m < 500; ++m) {
    for (const bool odd : {false, true}) {
      const double numerator = odd ? -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
                                   : m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
      d = 1 + numerator * d;
      d = 1 / (std::abs(d) < kTiny ? kTiny : d);
      c = 1 + numerator / (std::abs(c) < kTiny ? kTiny : c);
      h *= d * c;
    }
    if (std::abs(d * c - 1) < 1e-15) break;
  }
  return h;
}

double incomplete_beta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) +
                                a * std::log(x) + b * std::log1p(-x));
  return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a
                                   : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/// P(T > t) for Student's t with noncentrality `shift`: P(Z > t S - shift), averaged over
/// S = sqrt(chi2 / freedom) by the midpoint rule.
double noncentral_tail(double t, double shift, double freedom) {
  constexpr int kSteps = 400;
  const double step = (1 + 8 / std::sqrt(2 * freedom)) / kSteps;
  double sum = 0, mass = 0;
  for (int i = 0; i < kSteps; ++i) {
    const double s = (i + 0.5) * step;
    const double density = std::exp((freedom - 1) * std::log(s) - 0.5 * freedom * (s * s - 1));
    sum += density * 0.5 * std::erfc((t * s - shift) / std::sqrt(2.0));
    mass += density;
  }
  return sum / mass;
}

}  // namespace

double student_cdf(double t, double freedom) {
  const double tail = 0.5 * incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t));
  return t > 0 ? 1 - tail : tail;
}

double student_quantile(double p, double freedom) {
  double low = -1, high = 1;
  while (student_cdf(low, freedom) > p) low *= 2;
  while (student_cdf(high, freedom) < p) high *= 2;
  for (int i = 0; i < 200; ++i) {
    const double middle = 0.5 * (low + high);
    (student_cdf(middle, freedom) < p ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

double student_p_value(double t, double freedom) {
  return incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t));
}

double variance_ratio_p_value(double f, double between, double within) {
  return incomplete_beta(within / 2, between / 2, within / (within + between * f));
}

double student_detectable(double freedom, double level) {
  const double t = student_quantile(1 - level / 2, freedom);
  // Beyond a few dozen degrees the sum of the two quantiles is exact to three digits.
  if (freedom > 30) return t + student_quantile(0.8, freedom);
  double low = 0, high = 4 * t;
  for (int i = 0; i < 40; ++i) {
    const double middle = 0.5 * (low + high);
    (noncentral_tail(t, middle, freedom) < 0.8 ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

double student_error_bias(double freedom) {
  return std::sqrt(2 / freedom) *
         std::exp(std::lgamma((freedom + 1) / 2) - std::lgamma(freedom / 2));
}

}  // namespace sublab

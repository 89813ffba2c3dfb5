// Student's t: quantiles, p-values, and the difference that a test by it finds; Fisher's F.
#pragma once

namespace sublab {

/// P(T <= t) with `freedom` degrees, by the incomplete beta function.
double student_cdf(double t, double freedom);
/// The t that P(T <= t) = p.
double student_quantile(double p, double freedom);
/// Two-sided p-value of t.
double student_p_value(double t, double freedom);

/// P(F >= f) for the ratio of a variance of `between` degrees to one of `within`.
double variance_ratio_p_value(double f, double between, double within);

/// The true difference, in true standard errors, that a two-sided test at `level` finds 8 times in
/// 10: the noncentrality of Student's t that has this power.
double student_detectable(double freedom, double level = 0.05);
/// Mean of an estimated standard error relative to the true one: below 1 where `freedom` is small.
double student_error_bias(double freedom);

}  // namespace sublab

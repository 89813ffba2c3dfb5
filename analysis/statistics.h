// Estimates with intervals. No torch; random numbers come from named streams, so that a report is
// the same on every run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sublab {

struct Interval {
  double low = 0, high = 0;
  bool contains(double x) const { return low <= x && x <= high; }
};

struct Estimate {
  double value = 0;
  Interval interval;     ///< 95 %
  double clusters = 0;   ///< effective number of independent units, (sum n)^2 / sum n^2
  bool reliable = true;  ///< false with fewer than 20 effective clusters
};

/// Student's t: P(T <= t) with `freedom` degrees, by the incomplete beta function.
double student_cdf(double t, double freedom);
/// The t that P(T <= t) = p.
double student_quantile(double p, double freedom);
/// Two-sided p-value of t.
double student_p_value(double t, double freedom);

/// Sum of losses and of tokens of one document.
struct DocumentSum {
  double loss = 0, tokens = 0;
};

/// Mean loss per token, sum(loss) / sum(tokens), with a studentised bootstrap interval over
/// documents: tokens of a document depend on each other, documents do not. Standard errors by
/// linearisation, sum (loss_d - R tokens_d)^2.
Estimate mean_loss(const std::vector<DocumentSum>& documents, uint64_t seed = 1);

/// The same for the difference a - b, paired by document.
Estimate paired_difference(const std::vector<DocumentSum>& a, const std::vector<DocumentSum>& b,
                           uint64_t seed = 1);

/// sum(loss_a) / sum(tokens_a) - sum(loss_b) / sum(tokens_b), where a and b are parts of the same
/// documents: standard errors by linearisation over documents, Student's t. Both have tokens.
Estimate difference_of_means(const std::vector<DocumentSum>& a, const std::vector<DocumentSum>& b);

/// p-value of "the paired difference is 0": documents keep or flip their sign (sign-flip
/// permutation).
double sign_flip_p_value(const std::vector<DocumentSum>& a, const std::vector<DocumentSum>& b,
                         uint64_t seed = 1);

/// Mean over seeds with t(S - 1): what the recipe gives, not these weights. Needs two values.
Estimate mean_over_seeds(const std::vector<double>& values);
/// p-value of "the mean is 0".
double seeds_p_value(const std::vector<double>& values);

/// Holm's correction: p-values in, adjusted ones out, in the same order.
std::vector<double> holm(const std::vector<double>& p_values);

/// Wilson's 95 % interval of `hits` out of `n`.
Estimate proportion(double hits, double n);

/// Median of reference[r] / own[r] with a 95 % interval from order statistics (sign test), which
/// asks nothing of the distribution. Both from the same rounds.
Estimate speed_ratio(const std::vector<double>& reference_seconds,
                     const std::vector<double>& own_seconds);

double median(std::vector<double> values);
/// The value that a share `p` of them does not exceed, interpolated between neighbours.
double percentile(std::vector<double> values, double p);

/// What to say of a speed-up: "same", "faster", "slower" or "unclear". `noise` is the ratio of the
/// reference to itself: a difference inside it is no difference.
std::string speed_verdict(const Estimate& ratio, const Estimate& noise);

}  // namespace sublab

// Estimates with intervals. No torch; random numbers come from named streams, so that a report is
// the same on every run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/statistics/student.h"

namespace sublab {

struct Interval {
  double low = 0, high = 0;
  bool contains(double x) const { return low <= x && x <= high; }
};

/// Fewest effective clusters, (sum n)^2 / sum n^2, that an interval, a p-value or a detectable
/// difference is given for: documents of a loss, rows of an accuracy, blocks of a text. What is
/// estimated from them holds for many: of simulated 95 % intervals over documents of unequal length
/// 85 in 100 cover the truth with 3 effective documents, and 92 to 96 from 20 on
/// (tests/analysis/few_documents_test.cpp).
/// Seeds are not counted by it: Student's t is exact from two on.
inline constexpr double kFewestClusters = 20;

struct Estimate {
  double value = 0;
  std::optional<Interval> interval;  ///< 95 %; none from too few clusters, or without any spread
  double clusters = 0;               ///< effective number of independent units
  std::string no_interval;           ///< why there is none
};

/// Why `clusters` of `what` ("documents") allow no interval; "" where there are enough.
std::string too_few_clusters(double clusters, const std::string& what);

/// Sum of losses and of tokens of one document.
struct DocumentSum {
  double loss = 0, tokens = 0;
};

/// (sum n)^2 / sum n^2 over the tokens; 0 without any.
double effective_documents(const std::vector<DocumentSum>& documents);

/// Mean loss per token, sum(loss) / sum(tokens), with a studentised bootstrap interval over
/// documents: tokens of a document depend on each other, documents do not. Standard errors by
/// linearisation, sum (loss_d - R tokens_d)^2. It ends where the documents end: at the lowest and
/// the highest mean of one. For a paired difference give `differences(a, b)`.
Estimate mean_loss(const std::vector<DocumentSum>& documents, uint64_t seed = 1);

/// p-value of "the differences are 0": documents keep or flip their sign (sign-flip permutation).
double sign_flip_p_value(const std::vector<DocumentSum>& differences, uint64_t seed = 1);

/// sum(loss_a) / sum(tokens_a) - sum(loss_b) / sum(tokens_b), where a and b are parts of the same
/// documents: standard errors by linearisation over documents, Student's t. Both have tokens.
Estimate difference_of_means(const std::vector<DocumentSum>& a, const std::vector<DocumentSum>& b);

/// Of at least one value.
double mean_of(const std::vector<double>& values);
/// sum(loss) / sum(tokens).
double loss_per_token(const std::vector<DocumentSum>& documents);

/// Mean over seeds with t(S - 1); of one value, or of equal ones, without an interval.
Estimate mean_over_seeds(const std::vector<double>& values);

/// Standard error of a ratio of sums over documents, by linearisation.
double error_over_documents(const std::vector<DocumentSum>& documents);
/// Standard error of a mean over seeds that the documents alone are to blame for. What document and
/// seed draw together also shows in the spread over seeds, which counts it; it is taken out here.
/// `per_seed` [S][documents], the same documents for every seed, S >= 2.
double error_of_documents_beside_seeds(const std::vector<std::vector<DocumentSum>>& per_seed);
/// Standard error of a mean over seeds. Needs two values.
double error_over_seeds(const std::vector<double>& values);

/// What a recipe gives on documents like these: both were drawn, seeds and documents. The half
/// widths of t(S - 1) over seeds and of the bootstrap over documents (averaged over seeds, narrowed
/// to error_of_documents_beside_seeds) are added in quadrature (MOVER: Zou and Donner 2008,
/// doi:10.1002/sim.3095). With one of the two dominating it is that one's interval; where they
/// weigh alike it covers 98 % for three seeds and 99 % for two. `per_seed` [S][documents], the same
/// documents for every seed, S >= 2.
Estimate mean_over_seeds_and_documents(const std::vector<std::vector<DocumentSum>>& per_seed);
/// p-value of "it is 0" by inverting that interval, with t in the place of the bootstrap. One seed
/// has no error of seeds.
double seeds_and_documents_p_value(double value, double seed_error, double seeds,
                                   double document_error, double documents);

/// Standard errors of a difference, and of how many each comes.
struct DifferenceError {
  double of_seeds = 0, seeds = 1;
  double of_documents = 0, documents = 0;
};
/// p-value of "it is `margin` or more away from 0": two one-sided tests with the errors and degrees
/// of freedom of seeds_and_documents_p_value, of which the one of the nearer margin decides.
double equivalence_p_value(double value, double margin, const DifferenceError& error);

/// Paired differences of sums, a - b, document by document.
std::vector<DocumentSum> differences(const std::vector<DocumentSum>& a,
                                     const std::vector<DocumentSum>& b);

/// Holm's correction: p-values in, adjusted ones out, in the same order. Controls the chance of any
/// false claim.
std::vector<double> holm(const std::vector<double>& p_values);
/// Benjamini and Hochberg's: controls the expected share of false claims among those made.
std::vector<double> benjamini_hochberg(const std::vector<double>& p_values);

/// Wilson's 95 % interval of `hits` out of `n` rows.
Estimate proportion(double hits, double n);

/// Answers to a task. Those that are empty or failed count as wrong.
struct AnswerCounts {
  double right = 0, wrong = 0, empty = 0, failed = 0;
  double all() const { return right + wrong + empty + failed; }
};
/// Share of right answers among all that were asked for. One seed: Wilson's interval over
/// questions. More: with t(S - 1) over seeds in quadrature. Cut to [0, 1].
Estimate accuracy(const std::vector<AnswerCounts>& per_seed);

/// Median of reference[r] / own[r] with a 95 % interval from order statistics (sign test), which
/// asks nothing of the distribution but six rounds. Both from the same rounds.
Estimate speed_ratio(const std::vector<double>& reference_seconds,
                     const std::vector<double>& own_seconds);

double median(std::vector<double> values);
/// The value that a share `p` of them does not exceed, interpolated between neighbours.
double percentile(std::vector<double> values, double p);

/// What to say of a speed-up.
struct SpeedVerdict {
  std::string verdict;  ///< "same", "faster", "slower" or "unclear"
  std::string reason;   ///< of "unclear", else empty
};

/// `noise` is the ratio of the reference to itself: a difference inside it is no difference.
/// Without an interval it counts as 1.
SpeedVerdict speed_verdict(const Estimate& ratio, const Estimate& noise);

}  // namespace sublab

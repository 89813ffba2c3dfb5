// A comparison of two variants as plain values, and what it allows to be said.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analysis/statistics/statistics.h"
#include "core/schema/equivalence.h"

namespace sublab {

/// Of every test of a comparison.
inline constexpr double kTestLevel = 0.05;

/// In what variants are compared. Bits per byte do not ask for one tokenizer.
enum class DifferenceUnit { nats_per_token, bits_per_byte, accuracy };

struct Comparison {
  std::string a, b;  ///< the difference is a - b
  bool possible = false;
  std::string reason;  ///< why not
  DifferenceUnit unit = DifferenceUnit::nats_per_token;
  Estimate difference;
  /// Of this comparison alone. Like all that follows from a spread, it is there where the
  /// difference has an interval.
  std::optional<double> p_value;
  /// Over all that the study declares, and how many those are that have a p-value.
  std::optional<double> p_holm, p_false_discovery;
  int64_t n_declared = 1;
  int64_t n_seeds = 0;
  int64_t n_documents = 0;                    ///< or rows, per seed
  double n_tokens = 0;                        ///< scored per seed; of an accuracy, answers
  double seed_error = 0, document_error = 0;  ///< standard errors; seed_error 0 with one seed
  /// The difference that this design would find 8 times in 10 at level 0.05, before correction.
  std::optional<double> smallest_detectable;
  /// The same at the level of Holm's first step, 0.05 / n_declared: found whatever the other
  /// comparisons give.
  std::optional<double> smallest_detectable_holm;
  /// What the study calls no difference, in this unit, and the p-values of "it is that large or
  /// larger": of this comparison alone, and corrected over all that the study declares. Absent
  /// where it states no margin.
  std::optional<double> equivalence_margin, p_equivalence, p_equivalence_holm;
  std::vector<std::pair<int64_t, double>> by_seed;  ///< seed and difference, in order of seed
  /// The seeds were asked rows of their own: what rows vary is part of what seeds vary.
  bool own_rows = false;
  std::vector<std::string> records;  ///< ids that it comes from
  std::vector<std::string>
      left_out;  ///< seeds that ended well in both and could not be paired: why

  /// What the interval speaks about: "these checkpoints" (documents were drawn) or "the recipe"
  /// (seeds too).
  std::string target() const;
  /// Told apart from 0 after Holm's correction.
  bool differs() const;
  /// Told apart from the margin after Holm's correction.
  bool equivalent() const;
  /// Either of both.
  bool clear() const { return differs() || equivalent(); }
  /// "equivalent", "better", "worse" or "unclear" after Holm's correction; "" where nothing can be
  /// compared. What differs by less than the margin is equivalent.
  std::string verdict() const;
  /// The verdict as it stands beside the interval, which is that of this comparison alone: where
  /// the interval excludes 0 and the verdict is unclear, or equivalent, it says why.
  std::string verdict_text() const;
  /// What it would take to tell this difference from none 8 times in 10, before correction; ""
  /// where that is done, or where nobody can say.
  std::string to_settle() const;
  /// The same at the level of Holm's first step.
  std::string to_settle_holm() const;
  const char* unit_text() const;
};

/// What an interval from so many seeds speaks about.
std::string target_of(int64_t n_seeds);

/// Tests for the margin of the comparison's unit, if `margins` has one; before correction.
void test_equivalence(const EquivalenceMargins& margins, Comparison& comparison);

}  // namespace sublab

// Two variants of a study, paired by document and by seed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/study/questions.h"
#include "analysis/study/study_data.h"

namespace sublab {

/// In what losses are compared. Bits per byte do not ask for one tokenizer.
enum class LossUnit { nats_per_token, bits_per_byte };

struct Comparison {
  std::string a, b;  ///< the difference is a - b
  bool possible = false;
  std::string reason;  ///< why not
  LossUnit unit = LossUnit::nats_per_token;
  Estimate difference;
  /// Of this comparison alone. Like all that follows from a spread, it is there where the
  /// difference has an interval.
  std::optional<double> p_value;
  /// Over all that the study declares.
  std::optional<double> p_holm, p_false_discovery;
  int64_t n_seeds = 0;
  int64_t n_documents = 0;
  double n_tokens = 0;                        ///< scored per seed
  double seed_error = 0, document_error = 0;  ///< standard errors; seed_error 0 with one seed
  /// The difference that this design would find 8 times in 10 at level 0.05, before correction.
  std::optional<double> smallest_detectable;
  std::vector<std::string> records;  ///< ids that it comes from
  std::vector<std::string>
      left_out;  ///< seeds that ended well in both and could not be paired: why

  /// What the interval speaks about: "these checkpoints" (documents were drawn) or "the recipe"
  /// (seeds too).
  std::string target() const;
  /// Told apart after Holm's correction.
  bool clear() const;
  /// "better", "worse" or "unclear" after Holm's correction; "" where nothing can be compared.
  std::string verdict() const;
  /// The verdict as it stands beside the interval, which is that of this comparison alone: where
  /// the interval excludes 0 and the verdict is unclear, it says why.
  std::string verdict_text() const;
  /// What it would take to tell this difference from none 8 times in 10; "" where that is done, or
  /// where nobody can say.
  std::string to_settle() const;
  const char* unit_text() const;
};

/// What an interval from so many seeds speaks about.
std::string target_of(int64_t n_seeds);

/// Loss of `a` minus that of `b` on the same documents, in the answers to `question` (null: in the
/// headline of each). Refused (`possible` false, with the reason) when documents differ, and in
/// nats per token when tokenizers do.
Comparison compare_losses(const VariantData& a, const VariantData& b,
                          LossUnit unit = LossUnit::nats_per_token,
                          const AskedQuestion* question = nullptr);

/// In nats per token where that is possible, else in bits per byte.
Comparison compare_losses_in_any_unit(const VariantData& a, const VariantData& b,
                                      const AskedQuestion* question = nullptr);

/// Every comparison that the plan declares (none: each variant with compare_to) by the headline,
/// corrected over those that are possible.
std::vector<Comparison> declared_comparisons(const StudyData& data);
/// The same for these questions, one list per question, corrected over all of them together.
std::vector<std::vector<Comparison>> declared_comparisons(
    const StudyData& data, const std::vector<AskedQuestion>& questions);

/// Mean loss of one variant in the answers to `question` (null: in its headline), nats per token,
/// with the interval that its seeds allow, never below 0. Seeds that scored other documents than
/// the first one are left out.
Estimate variant_loss(const VariantData& variant, const AskedQuestion* question = nullptr);

/// Why the held-out text of a variant allows no statement beyond it; "" where it does, and where
/// losses per document are not known.
std::string too_little_text(const VariantData& variant);

}  // namespace sublab

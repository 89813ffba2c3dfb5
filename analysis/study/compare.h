// Two variants of a study, paired by seed and by document (losses) or by row (accuracies).
#pragma once

#include <string>
#include <vector>

#include "analysis/study/comparison.h"
#include "analysis/study/questions.h"
#include "analysis/study/study_data.h"

namespace sublab {

/// Loss of `a` minus that of `b` on the same documents, in the answers to `question` (null: in the
/// headline of each). Refused (`possible` false, with the reason) when documents differ, and in
/// nats per token when tokenizers do.
Comparison compare_losses(const VariantData& a, const VariantData& b,
                          DifferenceUnit unit = DifferenceUnit::nats_per_token,
                          const AskedQuestion* question = nullptr);

/// In nats per token where that is possible, else in bits per byte.
Comparison compare_losses_in_any_unit(const VariantData& a, const VariantData& b,
                                      const AskedQuestion* question = nullptr);

/// Accuracy of `a` minus that of `b` in the evaluations `of` both, of any task that leaves the
/// array `answers`: by the same rows within a seed. Rows that are the same for all seeds count as
/// documents do; where each seed has rows of its own, what these vary is part of what seeds vary.
Comparison compare_accuracies(const VariantData& a, const VariantData& b, const EvaluationOf& of);

/// Every comparison that the plan declares (none: each variant with compare_to) by the headline,
/// corrected over those that are possible.
std::vector<Comparison> declared_comparisons(const StudyData& data);
/// The same for these questions, one list per question, corrected over all of them together.
std::vector<std::vector<Comparison>> declared_comparisons(
    const StudyData& data, const std::vector<AskedQuestion>& questions);

/// The declared comparisons of a task's accuracy, one list per way in which it was asked.
struct AccuracyComparisons {
  std::string task;
  std::vector<Asked> asked;
  std::vector<std::vector<Comparison>> comparisons;  ///< one list for each of `asked`
};
/// Of every task that left answers per row; corrected over all comparisons of the task together.
std::vector<AccuracyComparisons> accuracy_comparisons(const StudyData& data);
/// That of one task among them, or null.
const AccuracyComparisons* find_task(const std::vector<AccuracyComparisons>& all,
                                     const std::string& task);

/// Mean loss of one variant in the answers to `question` (null: in its headline), nats per token,
/// with the interval that its seeds allow, never below 0. Seeds that scored other documents than
/// the first one are left out.
Estimate variant_loss(const VariantData& variant, const AskedQuestion* question = nullptr);

/// Why the held-out text of a variant allows no statement beyond it; "" where it does, and where
/// losses per document are not known.
std::string too_little_text(const VariantData& variant);

}  // namespace sublab

// The parts of a report, in the order in which they stand in it. Each adds nothing where a study
// has nothing to say.
#pragma once

#include "analysis/report/report.h"
#include "analysis/study/compare.h"
#include "analysis/study/study_data.h"

namespace sublab {

/// Parameters, FLOPs, memory, time, learning rate, trials that ended well.
void add_cost_table(const StudyData& data, Report& report);

/// Loss with its difference to the reference and the verdict, bits per byte, gap, kept fractions,
/// task accuracies with theirs, causality.
void add_quality_table(const StudyData& data, const std::vector<Comparison>& comparisons,
                       const std::vector<AccuracyComparisons>& accuracies, Report& report);

/// Loss, difference and verdict, accuracies and all other metrics of tasks that the study asks in
/// several ways, spanning what varies between these.
void add_question_tables(const StudyData& data, const std::vector<AccuracyComparisons>& accuracies,
                         Report& report);

/// Loss of each variant seed by seed, with its difference to the reference; the same of accuracies.
/// Nothing with one seed.
void add_seed_tables(const StudyData& data, const std::vector<Comparison>& comparisons,
                     const std::vector<AccuracyComparisons>& accuracies, Report& report);

/// Accuracies of a task that asks at several lengths, or tells distances apart, within one
/// evaluation; and whether a metric stands in these tables.
void add_by_condition_tables(const StudyData& data, Report& report);
bool has_table_by_condition(const std::string& metric);

/// Of every loss and accuracy: how far variants lie apart beside how far seeds do, and whether that
/// tells them apart. Nothing with one seed or one variant.
void add_signal_table(const StudyData& data, Report& report);

/// What share of each role's tokens (query, key, value, ...) was kept while a task was evaluated
/// that says which tokens have which role.
void add_kept_by_role_tables(const StudyData& data, Report& report);

/// The score of each group of a task's questions (a subject, a data set), a row a group.
void add_group_tables(const StudyData& data, Report& report);

inline constexpr const char* kQualityTitle = "Quality";

/// What the columns of a comparison mean. Interval and verdict are told apart: one is of a
/// comparison alone, the other of all that the study makes.
inline constexpr const char* kDifferenceHelp =
    "paired by document and seed, with the 95 % interval of this comparison alone";
inline constexpr const char* kVerdictHelp =
    "after Holm's correction over the study's comparisons; it says so where the interval excludes "
    "0 and the corrected p-value does not";
inline constexpr const char* kTaskVerdictHelp =
    "after Holm's correction over all comparisons of this task's accuracy";
inline constexpr const char* kAccuracyDifferenceHelp =
    "paired by row and seed, with the 95 % interval of this comparison alone";

/// Puts before all other tables one of loss, verdict and kept fractions, as the quality table has
/// them, beside the speed-up in each mode at its longest context. Nothing without a measurement.
void add_overview_table(const StudyData& data, Report& report);

/// A comparison as cells: the difference with its interval, and the verdict.
Cell difference_cell(const Comparison& comparison, Report& report);
Cell verdict_cell(const Comparison& comparison);

/// Every declared comparison: difference, p-value as it is and corrected in both ways, verdict, the
/// smallest difference that could have been found, what would settle it. A table of losses, and one
/// per task of accuracies.
void add_comparison_tables(const std::vector<Comparison>& comparisons,
                           const std::vector<AccuracyComparisons>& accuracies, Report& report);

/// One table per entry of the plan's `match`: the variants at that equal cost, whether it was
/// equal, and what else was not.
void add_equal_cost_tables(const StudyData& data, const std::vector<Comparison>& comparisons,
                           Report& report);

/// One table per group of variants that differ in their retention alone: loss, distance below the
/// chord, and the knee.
void add_retention_tables(const StudyData& data, Report& report);

/// What each curve of the plan's `scaling` is worth in training compute of the reference's.
void add_scaling_table(const StudyData& data, Report& report);

/// The context from which on each variant is faster than the reference, in each mode that was
/// measured at two contexts or more; one table per batch and number format.
void add_break_even_tables(const BenchFile& bench, Report& report);

/// Prompts and steps by context, where the study's measurement names contexts to model.
void add_context_table(const StudyData& data, Report& report);

/// What holds for all rows: data, seeds, splits, machine, code; and what follows for the reader.
void add_facts(const StudyData& data, const std::vector<Comparison>& comparisons, Report& report);

/// What the reader must know of the data first: texts that are not what they seem, weights that
/// were trained with another tokenizer.
void add_data_facts(const StudyData& data, Report& report);

/// Of variants that sample documents: the share of each source and of long documents before and
/// after. Of those whose positions skip: which relative distances training showed.
void add_training_text_tables(const StudyData& data, Report& report);

/// The folder of each trial's weights.
void add_checkpoints_table(const StudyData& data, Report& report);

}  // namespace sublab

// Every declared comparison with its p-values and what would settle it.
#include <algorithm>

#include "analysis/tables/tables.h"
#include "analysis/text/format.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace {

Cell p_cell(const std::optional<double>& p, const Comparison& comparison) {
  Cell cell;
  if (!p) return cell;
  cell.value = p;
  cell.text = *p < 0.001 ? "< 0.001" : fixed(*p, 3);
  cell.records = comparison.records;
  return cell;
}

Cell detectable_cell(const std::optional<double>& detectable, const Comparison& comparison) {
  Cell cell;
  if (!detectable) return cell;
  cell.value = detectable;
  cell.text = fixed(*cell.value, 4);
  cell.records = comparison.records;
  return cell;
}

Cell text_cell(const std::string& text, const Comparison& comparison) {
  Cell cell;
  if (comparison.possible && !text.empty()) cell.text = text;
  cell.records = comparison.records;
  return cell;
}

/// The columns; those of equivalence where a margin was stated.
std::vector<Column> comparison_columns(const std::string& difference_help, bool margin) {
  std::vector<Column> out = {
      {"difference", difference_help},
      {"p", "of this comparison alone"},
      {"p Holm", "corrected: the chance of any false claim in this table stays below 5 %"},
      {"q", "Benjamini and Hochberg: expected share of false claims among those made"}};
  if (margin) {
    out.push_back({"p equivalent", "of a difference of the margin or more: two one-sided tests"});
    out.push_back({"p equivalent Holm", "corrected over the same comparisons, for itself"});
  }
  const std::vector<Column> rest = {
      {"verdict", kVerdictHelp},
      {"speaks of", "what the interval holds for"},
      {"detectable, uncorrected",
       "smallest difference that this design finds 8 times in 10 at level 0.05"},
      {"detectable, Holm",
       "the same at 0.05 / the number of comparisons, the first step of Holm's correction: found "
       "whatever the others give"},
      {"to settle it, uncorrected",
       "what would make the difference seen here detectable at level 0.05"},
      {"to settle it, Holm", "the same after correction"}};
  out.insert(out.end(), rest.begin(), rest.end());
  return out;
}

Row comparison_row(const Comparison& each, const std::string& asked, bool margin, Report& report) {
  Row row{each.a + " − " + each.b + (asked.empty() ? "" : ", " + asked),
          {difference_cell(each, report), p_cell(each.p_value, each), p_cell(each.p_holm, each),
           p_cell(each.p_false_discovery, each)}};
  if (margin) {
    row.cells.push_back(p_cell(each.p_equivalence, each));
    row.cells.push_back(p_cell(each.p_equivalence_holm, each));
  }
  for (const Cell& cell :
       {verdict_cell(each), text_cell(each.target(), each),
        detectable_cell(each.smallest_detectable, each),
        detectable_cell(each.smallest_detectable_holm, each), text_cell(each.to_settle(), each),
        text_cell(each.to_settle_holm(), each)})
    row.cells.push_back(cell);
  return row;
}

/// What was corrected over how many, and the margin.
std::string correction_caption(const std::vector<std::vector<Comparison>>& lists) {
  int64_t n = 0;
  const Comparison* with_margin = nullptr;
  for (const auto& list : lists)
    for (const Comparison& each : list) {
      n += each.p_value.has_value();
      if (each.equivalence_margin) with_margin = &each;
    }
  std::string out = "Corrected over the " + std::to_string(n) +
                    " comparisons of this table that have a p-value. ";
  if (with_margin)
    out += "Equivalent: within " + significant(*with_margin->equivalence_margin, 3) + " " +
           with_margin->unit_text() + ", as the study stated before it was run. ";
  return out;
}

bool states_margin(const std::vector<std::vector<Comparison>>& lists) {
  for (const auto& list : lists)
    for (const Comparison& each : list)
      if (each.equivalence_margin) return true;
  return false;
}

void add_losses(const std::vector<Comparison>& comparisons, Report& report) {
  if (comparisons.empty()) return;
  const bool margin = states_margin({comparisons});
  Table table{"Comparisons",
              comparison_columns("loss of the first minus loss of the second, with the 95 % "
                                 "interval of this comparison alone",
                                 margin),
              {}};
  for (const Comparison& each : comparisons)
    table.rows.push_back(comparison_row(each, "", margin, report));
  table.caption =
      "p-values: sign-flip permutation over documents with one seed, else the interval over seeds "
      "and documents inverted. " +
      correction_caption({comparisons});
  report.tables.push_back(table);
}

void add_accuracies(const AccuracyComparisons& task, Report& report) {
  const bool margin = states_margin(task.comparisons);
  Table table{"Comparisons of accuracy in " + task.task,
              comparison_columns("accuracy of the first minus accuracy of the second, with the "
                                 "95 % interval of this comparison alone",
                                 margin),
              {}};
  bool own_rows = false;
  for (size_t q = 0; q < task.asked.size(); ++q)
    for (const Comparison& each : task.comparisons[q]) {
      table.rows.push_back(comparison_row(each, task.asked[q].label, margin, report));
      own_rows = own_rows || each.own_rows;
    }
  if (table.rows.empty()) return;
  table.caption =
      "p-values: sign-flip permutation over rows with one seed, else the interval inverted. ";
  if (own_rows)
    table.caption +=
        "Each seed was asked rows of its own: what rows vary is part of what seeds "
        "vary, and the interval is that over seeds. ";
  table.caption += correction_caption(task.comparisons);
  report.tables.push_back(table);
}

}  // namespace

void add_comparison_tables(const std::vector<Comparison>& comparisons,
                           const std::vector<AccuracyComparisons>& accuracies, Report& report) {
  add_losses(comparisons, report);
  for (const AccuracyComparisons& task : accuracies) add_accuracies(task, report);
}

}  // namespace sublab

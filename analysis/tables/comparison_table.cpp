// Every declared comparison with its p-values and what would settle it.
#include "analysis/tables/tables.h"
#include "analysis/text/format.h"

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

Cell detectable_cell(const Comparison& comparison) {
  Cell cell;
  if (!comparison.smallest_detectable) return cell;
  cell.value = comparison.smallest_detectable;
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

}  // namespace

void add_comparison_table(const std::vector<Comparison>& comparisons, Report& report) {
  if (comparisons.empty()) return;
  Table table{"Comparisons",
              {{"difference",
                "loss of the first minus loss of the second, with the 95 % interval of this "
                "comparison alone"},
               {"p", "of this comparison alone"},
               {"p Holm", "corrected: the chance of any false claim in this table stays below 5 %"},
               {"q", "Benjamini and Hochberg: expected share of false claims among those made"},
               {"verdict", kVerdictHelp},
               {"speaks of", "what the interval holds for"},
               {"detectable",
                "smallest difference that this design finds 8 times in 10, before "
                "correction"},
               {"to settle it", "what would make the difference seen here detectable"}},
              {}};
  for (const Comparison& each : comparisons)
    table.rows.push_back(
        {each.a + " − " + each.b,
         {difference_cell(each, report), p_cell(each.p_value, each), p_cell(each.p_holm, each),
          p_cell(each.p_false_discovery, each), verdict_cell(each), text_cell(each.target(), each),
          detectable_cell(each), text_cell(each.to_settle(), each)}});
  table.caption =
      "p-values: sign-flip permutation over documents with one seed, else the interval over seeds "
      "and documents inverted. Corrected over the comparisons of this table. ";
  report.tables.push_back(table);
}

}  // namespace sublab

// The table of a paper's claims with their verdicts.
#include "analysis/tables/claims_table.h"

#include "analysis/text/format.h"

namespace sublab {
namespace {

Cell text_cell(const std::string& text) {
  Cell cell;
  if (!text.empty()) cell.text = text;
  return cell;
}

Row row_of(const ClaimLine& line, Report& report) {
  Row row{line.variant.empty() ? "–" : line.variant, {}};
  row.cells.push_back(text_cell(line.claim.claim));
  row.cells.push_back(text_cell(line.claim.source));
  row.cells.push_back(text_cell(line.measured ? line.measured->condition : ""));
  Cell expected = text_cell(claim_value_text(line.claim.metric, line.claim.expected));
  expected.value = line.claim.expected;
  if (!line.claim.note.empty()) expected.notes.push_back(footnote(report, line.claim.note));
  row.cells.push_back(expected);
  Cell measured = text_cell(measured_text(line));
  if (line.measured) {
    measured.value = line.measured->estimate.value;
    measured.records = line.measured->records;
    if (const auto& interval = line.measured->estimate.interval) {
      measured.low = interval->low;
      measured.high = interval->high;
    }
    measured.notes.push_back(footnote(report, "holds for " + line.measured->target));
  }
  row.cells.push_back(measured);
  Cell verdict = text_cell(verdict_text(line));
  verdict.strong = line.verdict == ClaimVerdict::reproduced;
  row.cells.push_back(verdict);
  row.cells.push_back(text_cell(protocol_text(line)));
  return row;
}

}  // namespace

ClaimSet claims_of_plan(const StudyData& data) {
  const std::string at = (data.folder / "plan.json").string() + ": /claims";
  if (!data.plan.claims.is_array()) fields_detail::throw_type(at, "a list", data.plan.claims);
  ClaimSet out{data.plan.study, {}};
  for (size_t i = 0; i < data.plan.claims.size(); ++i)
    out.claims.push_back(read_claim(data.plan.claims[i], at + "/" + std::to_string(i)));
  return out;
}

void add_claims_table(const StudyData& data, Report& report) {
  const std::vector<ClaimLine> lines = check_claims(data, {claims_of_plan(data)});
  for (const bool hardware : {false, true}) {
    Table table{hardware ? "Claims tied to hardware" : "Claims",
                {{"claim", "what the source says"},
                 {"source", "paper and place"},
                 {"condition", "what was measured here"},
                 {"expected", "the claimed number"},
                 {"measured", "with 95 % interval"},
                 {"verdict", "see docs/studies.md, Claims"},
                 {"protocol", "what differs, and what the source does not state"}},
                {}};
    for (const ClaimLine& line : lines)
      if (line.claim.hardware == hardware && !line.elsewhere)
        table.rows.push_back(row_of(line, report));
    if (!table.rows.empty()) report.tables.push_back(table);
  }
  const std::string elsewhere = elsewhere_text(lines);
  if (!elsewhere.empty()) report.findings.push_back("Claims: " + elsewhere + ".");
}

}  // namespace sublab

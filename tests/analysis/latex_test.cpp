// LaTeX that compiles whatever names hold.
#include <catch2/catch.hpp>

#include "analysis/figures/figure_files.h"
#include "analysis/figures/figures.h"
#include "analysis/figures/gnuplot.h"
#include "analysis/print/latex_text.h"
#include "analysis/print/print.h"
#include "analysis/report/report.h"
#include "core/process.h"
#include "tests/analysis/small_study.h"

using namespace sublab;
using Catch::Contains;

namespace {

Cell cell(const std::string& text, bool strong = false, std::vector<size_t> notes = {}) {
  Cell out;
  out.text = text;
  out.strong = strong;
  out.notes = std::move(notes);
  out.records = {"abc123"};
  return out;
}

Report odd_report() {
  Report report;
  report.study = SmallStudy::kOddName;
  report.question = "Naïve “quotes”, 日本, 50 % − more?";
  report.facts = {"± 3 × 4 ≤ 5 _ # ~ ^ \\ {}"};
  report.footnotes = {"never used", "a reason: 12.5 % of " + SmallStudy::kOddName};
  Table table{"Title & more", {{"plain", "a help"}, {"mixed", "with 95 %"}, {"empty", ""}}, {}};
  table.rows = {{SmallStudy::kOddName, {cell("−0.25"), cell("+1.5 [1, 2]", true), cell("–")}},
                {"b", {cell("12"), cell("1.23 M", false, {2}), cell("–")}},
                {"c", {cell("–"), cell("unclear (p < 0.001)"), cell("–")}}};
  report.tables = {table};
  for (size_t i = 0; i < 14; ++i) {  // far wider than a page
    report.tables.push_back(table);
    for (size_t c = 0; c < i; ++c) {
      report.tables.back().columns.push_back({"a long column name", "the same help"});
      for (Row& row : report.tables.back().rows) row.cells.push_back(cell("2.0790 [2.064, 2.094]"));
    }
  }
  return report;
}

}  // namespace

TEST_CASE("texts print as they read", "[unit]") {
  CHECK(latex_escaped("a_b 50 % & #1 −2 – ±") == "a\\_b 50 \\% \\& \\#1 $-$2 -- $\\pm$");
  CHECK(latex_escaped("ä\n日") == "ä [U+65E5]");
  CHECK(latex_escaped("\\{}^~$") ==
        "\\textbackslash{}\\{\\}\\textasciicircum{}\\textasciitilde{}\\$");
  CHECK(latex_escaped("\xff") == "[U+00FF]");  // a stray byte
}

TEST_CASE("numbers become siunitx's, and names with digits stay names", "[unit]") {
  CHECK(latex_cell("−0.5 [−1.25, +2e-3]") == "\\num{-0.5} [\\num{-1.25}, \\num{+2e-3}]");
  CHECK(latex_cell("1.23 M") == "\\num{1.23}\\,M");
  CHECK(latex_cell("12 (480 MB)") == "\\num{12} (\\num{480}\\,MB)");
  CHECK(latex_cell("3 Models") == "\\num{3} Models");
  CHECK(latex_cell("subllm_0.64 x2") == "subllm\\_0.64 x2");
  CHECK(siunitx_number("−1.5") == "-1.5");
  CHECK(siunitx_number("1.5 M").empty());
  CHECK(siunitx_number("–").empty());
}

TEST_CASE("a table has booktabs rules, S columns for plain numbers, its own notes", "[unit]") {
  Report report = odd_report();
  report.tables.resize(1);
  const std::string text = report_as_latex(report);
  for (const char* part :
       {"\\toprule", "\\midrule", "\\bottomrule", "{@{}lS[table-format=+2.2]r@{}}",
        "\\bfseries\\boldmath \\num{+1.5} [\\num{1}, \\num{2}]",
        "\\num{1.23}\\,M\\textsuperscript{1}", "\\textsuperscript{1}\\,a reason: \\num{12.5} \\%",
        "% records: abc123\n", "\\emph{plain}: a help; \\emph{mixed}: with 95 \\%."}) {
    INFO(part);
    CHECK_THAT(text, Contains(part));
  }
  CHECK_THAT(text,
             !Contains("never used") && !Contains("empty") && !Contains("landscape}\n\\begin"));
  CHECK_THAT(report_as_latex(odd_report()), Contains("\\begin{landscape}\n\\begin{table}"));
}

TEST_CASE("the document compiles without errors and without tables that leave the page", "[unit]") {
  const auto pdflatex = find_program("pdflatex");
  if (!pdflatex) {
    WARN("pdflatex is not here: the document was not compiled");
    return;
  }
  SmallStudy study;
  Report report = odd_report();
  add_figures(study.data, report);
  write_figure_files(report, study.path);
  write_file_durably(study.path / "report.tex", report_as_latex(report));
  const Setting figures("TEXINPUTS", study.path.string() + ":");
  const ExitState ended =
      run_program({pdflatex->string(), "-interaction=nonstopmode", "-halt-on-error",
                   "-output-directory", study.path.string(), (study.path / "report.tex").string()},
                  (study.path / "errors").string());
  const std::string log = read_file(study.path / "report.log");
  INFO(log.substr(log.size() > 3000 ? log.size() - 3000 : 0));
  CHECK(ended.code == 0);
  CHECK(fs::exists(study.path / "report.pdf"));
  CHECK_THAT(log, !Contains("Overfull \\hbox") && !Contains("Float too large"));
  if (find_gnuplot()) CHECK_THAT(log, Contains("figures/loss_curves.pdf"));
}

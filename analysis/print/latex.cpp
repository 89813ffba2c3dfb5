// A LaTeX document of the report: booktabs tables, siunitx numbers, figures where they were drawn.
#include <algorithm>
#include <cctype>

#include "analysis/print/latex_text.h"
#include "analysis/print/print.h"
#include "analysis/report/report.h"
#include "analysis/text/format.h"
#include "core/error.h"

namespace sublab {
namespace {

/// Tables of more characters than this side by side get a page in landscape.
constexpr size_t kWideTable = 140;

constexpr const char* kPreamble = R"(\documentclass[10pt,a4paper]{article}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage{lmodern}
\usepackage[margin=2cm]{geometry}
\usepackage{booktabs}
\usepackage{graphicx}
\usepackage{siunitx}
\IfFileExists{pdflscape.sty}{\usepackage{pdflscape}}{\usepackage{lscape}}
\sisetup{detect-all, retain-explicit-plus, group-minimum-digits=5}
\setlength{\parindent}{0pt}
\setlength{\tabcolsep}{4pt}
% A table as large as it is, or scaled down to the page.
\newsavebox{\tablebox}
\newcommand{\fittable}{%
  \ifdim\wd\tablebox>\linewidth
    \sbox{\tablebox}{\resizebox{\linewidth}{!}{\usebox{\tablebox}}}\fi
  \ifdim\dimexpr\ht\tablebox+\dp\tablebox>0.75\textheight
    \sbox{\tablebox}{\resizebox{!}{0.75\textheight}{\usebox{\tablebox}}}\fi
  \usebox{\tablebox}}
\newcommand{\reportfigure}[3]{\IfFileExists{figures/#1.pdf}{%
  \begin{figure}[htbp]\centering
  \includegraphics[width=0.95\linewidth,height=0.4\textheight,keepaspectratio]{figures/#1.pdf}
  \caption{#2. #3}\end{figure}}{}}
)";

/// Digits before and after the point that a column of plain numbers needs, for siunitx's S. Nothing
/// for other columns; bold cells and footnotes are set as text.
std::optional<std::string> s_column(const Table& table, size_t column) {
  size_t before = 1, after = 0, sign = 0;
  for (const Row& row : table.rows) {
    const Cell& cell = row.cells[column];
    if (cell.text == "–" && cell.notes.empty()) continue;
    const std::string number = siunitx_number(cell.text);
    if (number.empty() || cell.strong || !cell.notes.empty() ||
        number.find('e') != std::string::npos)
      return std::nullopt;
    const size_t signs = number[0] == '-' || number[0] == '+';
    const size_t point = std::min(number.find('.'), number.size());
    sign = std::max(sign, signs);
    before = std::max(before, point - signs);
    if (point < number.size()) after = std::max(after, number.size() - point - 1);
  }
  return "S[table-format=" + std::string(sign ? "+" : "") + std::to_string(before) + "." +
         std::to_string(after) + "]";
}

/// One table on its way to LaTeX.
class TableText {
 public:
  TableText(const Table& table, const Report& report) : table_(table), report_(report) {
    for (size_t c = 0; c < table.columns.size(); ++c)
      if (!is_empty_column(table, c)) columns_.push_back(c);
  }

  std::string text() {
    const std::string body = tabular();  // first: it numbers the notes
    const bool wide = width() > kWideTable;
    std::string out = wide ? "\\begin{landscape}\n" : "";
    out += "\\begin{table}[htbp]\n\\centering\n\\caption{" + latex_escaped(table_.title) + "}\n";
    out += "\\begin{lrbox}{\\tablebox}\\small\n" + body + "\\end{lrbox}\n\\fittable\n";
    out += "\n\\smallskip\n\\begin{minipage}{\\linewidth}\\footnotesize\\raggedright\n" + helps();
    if (const std::string caption = caption_text(table_); !caption.empty())
      out += "\\par " + latex_cell(caption) + "\n";
    for (size_t i = 0; i < notes_.size(); ++i)
      out += "\\par\\textsuperscript{" + std::to_string(i + 1) + "}\\," +
             latex_cell(report_.footnotes[notes_[i] - 1]) + "\n";
    out += "\\end{minipage}\n\\end{table}\n";
    return out + (wide ? "\\end{landscape}\n" : "") + "\n";
  }

  /// The tabular alone, for \\input: it asks for booktabs and nothing else. Notes follow it.
  std::string fragment() {
    std::string out = "% " + table_.title + ", " + report_.study +
                      ": made by sublab report; needs \\usepackage{booktabs}\n";
    for (const auto& [names, help] : column_legend(table_))
      out += "% " + join(names) + ": " + help + "\n";
    plain_text_ = true;
    out += tabular();
    for (size_t i = 0; i < notes_.size(); ++i)
      out += (i == 0 ? "\\par\\smallskip\n" : "\\\\\n") +
             ("{\\footnotesize\\textsuperscript{" + std::to_string(i + 1)) + "}\\," +
             latex_escaped(report_.footnotes[notes_[i] - 1]) + "}";
    return out + (notes_.empty() ? "" : "\n");
  }

 private:
  size_t width() const {
    size_t sum = 0, names = 7;
    for (const Row& row : table_.rows) names = std::max(names, n_characters(row.variant));
    for (const size_t c : columns_) {
      size_t widest = n_characters(table_.columns[c].name);
      for (const Row& row : table_.rows) widest = std::max(widest, n_characters(row.cells[c].text));
      sum += widest + 2;
    }
    return sum + names;
  }

  std::string tabular() {
    std::string form = "l", head = "variant";
    std::vector<bool> plain;
    for (const size_t c : columns_) {
      const auto s = plain_text_ ? std::nullopt : s_column(table_, c);
      plain.push_back(s.has_value());
      form += s ? *s : "r";
      head += " & {" + latex_escaped(table_.columns[c].name) + "}";
    }
    std::string out =
        "\\begin{tabular}{@{}" + form + "@{}}\n\\toprule\n" + head + " \\\\\n\\midrule\n";
    for (const Row& row : table_.rows) {
      out += latex_escaped(row.variant);
      for (size_t i = 0; i < columns_.size(); ++i)
        out += " & " + cell(row.cells[columns_[i]], plain[i]);
      out += " \\\\" + records_of(row) + "\n";
    }
    return out + "\\bottomrule\n\\end{tabular}\n";
  }

  std::string cell(const Cell& cell, bool plain) {
    if (plain && cell.text != "–") return siunitx_number(cell.text);
    std::string out = plain_text_ ? latex_escaped(cell.text) : latex_cell(cell.text);
    if (cell.strong) out = "\\bfseries\\boldmath " + out;
    std::vector<std::string> marks;
    for (const size_t note : cell.notes) {
      auto it = std::find(notes_.begin(), notes_.end(), note);
      if (it == notes_.end()) it = notes_.insert(notes_.end(), note);
      marks.push_back(std::to_string(it - notes_.begin() + 1));
    }
    if (!marks.empty()) out += "\\textsuperscript{" + join(marks, ",") + "}";
    return "{" + out + "}";
  }

  std::string records_of(const Row& row) const {
    std::vector<std::string> ids;
    for (const size_t c : columns_)
      for (const std::string& id : row.cells[c].records)
        if (!id.empty() && std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
    return ids.empty() ? "" : " % records: " + join(ids, " ");
  }

  std::string helps() const {
    std::string out;
    for (const auto& [names, help] : column_legend(table_)) {
      std::vector<std::string> set;
      for (const std::string& name : names) set.push_back("\\emph{" + latex_escaped(name) + "}");
      out += (out.empty() ? "" : "; ") + join(set) + ": " + latex_escaped(help);
    }
    return out.empty() ? "" : out + ".\n";
  }

  const Table& table_;
  const Report& report_;
  std::vector<size_t> columns_;
  std::vector<size_t> notes_;  ///< the report's numbers of this table's notes
  bool plain_text_ = false;    ///< without siunitx
};

std::string list_text(const std::vector<std::string>& items) {
  if (items.empty()) return "";
  std::string out = "\\begin{itemize}\\setlength{\\itemsep}{0pt}\n";
  for (const std::string& item : items) out += "\\item " + latex_escaped(item) + "\n";
  return out + "\\end{itemize}\n\n";
}

/// The title in lower case, with '_' for what is no letter and no digit.
std::string table_name(const Table& table) {
  std::string out;
  for (const char c : table.title)
    if (std::isalnum(static_cast<unsigned char>(c)))
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (!out.empty() && out.back() != '_')
      out += '_';
  if (out.ends_with('_')) out.pop_back();
  return out;
}

}  // namespace

std::string table_as_latex(const Report& report, const std::string& name) {
  std::vector<const Table*> found;
  std::vector<std::string> names;
  for (const Table& table : report.tables) {
    if (table.rows.empty()) continue;
    names.push_back(table_name(table));
    if (names.back() == name) return TableText(table, report).fragment();
    if (!name.empty() && names.back().starts_with(name)) found.push_back(&table);
  }
  if (found.size() == 1) return TableText(*found[0], report).fragment();
  if (found.size() > 1)
    throw UserError("--table", "'" + name + "' begins the names of " +
                                   std::to_string(found.size()) + " tables; there are " +
                                   join(names));
  throw_unknown_name("--table", "table", name, names);
}

std::string report_as_latex(const Report& report) {
  std::string out = kPreamble;
  out += "\\begin{document}\n\\section*{" + latex_escaped(report.study) + "}\n";
  if (!report.question.empty()) out += latex_escaped(report.question) + "\n\n";
  out += list_text(report.facts);
  if (!report.findings.empty()) out += "\\subsection*{What follows}\n" + list_text(report.findings);
  for (const Table& table : report.tables)
    if (!table.rows.empty()) out += TableText(table, report).text();
  out += "\\clearpage\n";
  for (const Figure& figure : report.figures)
    out += "\\reportfigure{" + figure.id + "}{" + latex_escaped(figure.title) + "}{" +
           latex_escaped(figure.caption) + "}\n";
  out += "\\clearpage\n\\subsection*{Records}\n\\raggedright\\footnotesize\n";
  std::vector<std::string> records;
  for (const auto& [variant, ids] : report.records)
    records.push_back(variant + ": " + join(ids, " "));
  out += list_text(records);
  return out + "\\end{document}\n";
}

}  // namespace sublab

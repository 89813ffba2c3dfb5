// One page that needs nothing else: no network, light and dark, tables that sort.
#include "analysis/print/html.h"

#include "analysis/figures/gnuplot.h"
#include "analysis/print/print.h"
#include "analysis/text/format.h"
#include "core/fields.h"

namespace sublab {
namespace {

constexpr const char* kStyle = R"(
:root{--ink:#1b1f24;--soft:#5b6470;--line:#d7dce2;--paper:#fff;--mark:#0b6b3a}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--soft:#9aa4b0;--line:#363d46;--paper:#14171b;--mark:#5fd394}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1400px;padding:2rem 1.5rem 4rem;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.6rem;margin:0 0 .2rem}h2{font-size:1.05rem;margin:2.2rem 0 .5rem}
p.question{font-size:1.05rem;color:var(--soft);margin:.2rem 0 1rem}
ul{padding-left:1.1rem;margin:.4rem 0}li{margin:.15rem 0}
ul.facts{color:var(--soft);font-size:.88rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.86rem;font-variant-numeric:tabular-nums;white-space:nowrap}
th,td{padding:.3rem .55rem;text-align:right}
th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:var(--paper)}
thead th{border-top:2px solid var(--ink);border-bottom:1px solid var(--ink);cursor:pointer;font-weight:600}
thead th[aria-sort=ascending]:after{content:" ↑"}thead th[aria-sort=descending]:after{content:" ↓"}
tbody tr:last-child td{border-bottom:2px solid var(--ink)}tbody td{border-bottom:1px solid var(--line)}
td.strong{font-weight:700}
td .i{color:var(--soft);font-size:.8rem;font-weight:400}
sup{color:var(--soft)}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,560px),1fr));gap:2rem 1.5rem}
figure{margin:0;min-width:0}figure h3{font-size:.95rem;margin:0 0 .3rem}figcaption{color:var(--soft);font-size:.82rem;max-width:70ch}
figure .scroll svg{display:block;width:100%;min-width:520px;max-width:860px;height:auto;overflow:visible}
p.caption{color:var(--soft);font-size:.85rem;margin:.4rem 0;max-width:80ch}
details.records{color:var(--soft);font-size:.8rem}
ol.notes{color:var(--soft);font-size:.85rem}
@media print{:root{--ink:#000;--soft:#444;--line:#ccc;--paper:#fff;--mark:#000}
body{max-width:none;padding:0;font-size:12px}thead th{cursor:auto}.scroll{overflow:visible}table{font-size:.72rem}
.figures{display:block}figure{break-inside:avoid;margin-bottom:1.5rem}figure .scroll svg{min-width:0;max-width:15cm}}
)";

constexpr const char* kScript = R"(
document.querySelectorAll('table').forEach(t=>t.querySelectorAll('thead th').forEach((h,i)=>h.addEventListener('click',()=>{
const up=h.getAttribute('aria-sort')!=='ascending',b=t.tBodies[0];
t.querySelectorAll('thead th').forEach(o=>o.removeAttribute('aria-sort'));h.setAttribute('aria-sort',up?'ascending':'descending');
const key=r=>{const v=r.cells[i].dataset.v;return v===undefined?r.cells[i].textContent:+v};
[...b.rows].sort((p,q)=>{const x=key(p),y=key(q);const c=typeof x===typeof y?(x<y?-1:x>y?1:0):typeof x==='number'?-1:1;return up?c:-c}).forEach(r=>b.append(r))})));
)";

std::string cell_html(const Cell& cell) {
  std::string text = escaped(cell.text);
  const size_t bracket = text.find(" [");
  if (bracket != std::string::npos && cell.low)
    text = text.substr(0, bracket) + " <span class='i'>" + text.substr(bracket + 1) + "</span>";
  for (const size_t note : cell.notes)
    text += "<sup><a href='#n" + std::to_string(note) + "'>" + std::to_string(note) + "</a></sup>";
  std::string open = "<td";
  if (cell.strong) open += " class='strong'";
  if (cell.value) open += " data-v='" + json(*cell.value).dump() + "'";
  if (!cell.records.empty()) open += " title='records: " + escaped(join(cell.records)) + "'";
  return open + ">" + text + "</td>";
}

std::string records_html(const Report& report) {
  std::string out = "<details class='records'><summary>Records</summary><ul>";
  for (const auto& [variant, ids] : report.records)
    out += "<li>" + escaped(variant) + ": " + escaped(join(ids, " ")) + "</li>";
  return out + "</ul></details>";
}

}  // namespace

std::string table_html(const Table& table, const std::string& first_column) {
  std::string out = "<h2>" + escaped(table.title) +
                    "</h2><div class='scroll'><table><thead><tr><th>" + escaped(first_column) +
                    "</th>";
  for (const Column& column : table.columns)
    out += "<th title='" + escaped(column.help) + "'>" + escaped(column.name) + "</th>";
  out += "</tr></thead><tbody>";
  for (const Row& row : table.rows) {
    out += "<tr><td>" + escaped(row.variant) + "</td>";
    for (const Cell& cell : row.cells) out += cell_html(cell);
    out += "</tr>\n";
  }
  out += "</tbody></table></div>";
  const std::string caption = caption_text(table);
  return caption.empty() ? out : out + "<p class='caption'>" + escaped(caption) + "</p>";
}

std::string list_html(const std::vector<std::string>& items, const std::string& kind) {
  std::string out = "<ul class='" + kind + "'>";
  for (const std::string& item : items) out += "<li>" + escaped(item) + "</li>";
  return out + "</ul>";
}

std::string figures_html(const std::vector<Figure>& figures, const std::string& more) {
  std::string out, problem;
  for (const Figure& figure : figures) {
    const Drawing drawing = draw_figure(figure, FigureForm::svg);
    // What keeps one from being drawn keeps the others, too: it is said once.
    problem = drawing.problem;
    if (!drawing.bytes) break;
    out += "<figure><h3>" + escaped(figure.title) + "</h3><div class='scroll'>" + *drawing.bytes +
           "</div><figcaption>" + escaped(figure.caption) + "</figcaption></figure>\n";
  }
  if (!problem.empty()) problem = "<p>Figures are missing: " + escaped(problem) + "</p>";
  return problem + "<div class='figures'>" + out + more + "</div>";
}

std::string page_head(const std::string& title, const std::string& more_style) {
  return "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' "
         "content='width=device-width,initial-scale=1'>"
         "<meta name='color-scheme' content='light dark'><link rel='icon' href='data:,'><title>" +
         escaped(title) + "</title><style>" + kStyle + more_style + "</style></head><body>";
}

std::string page_foot(const std::string& more_script) {
  return std::string("<script>") + kScript + more_script + "</script></body></html>\n";
}

std::string report_as_html(const Report& report) {
  std::string out = page_head(report.study);
  out += "<h1>" + escaped(report.study) + "</h1><p class='question'>" + escaped(report.question) +
         "</p>" + list_html(report.facts, "facts");
  for (const Table& table : report.tables) out += table_html(table, "variant");
  out += "<h2>What follows</h2>" + list_html(report.findings, "findings");
  if (!report.footnotes.empty()) {
    out += "<ol class='notes'>";
    for (size_t i = 0; i < report.footnotes.size(); ++i)
      out += "<li id='n" + std::to_string(i + 1) + "'>" + escaped(report.footnotes[i]) + "</li>";
    out += "</ol>";
  }
  out += records_html(report);
  if (!report.figures.empty()) out += "<h2>Figures</h2>" + figures_html(report.figures);
  return out + page_foot();
}

}  // namespace sublab

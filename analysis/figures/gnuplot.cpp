// Runs gnuplot as a child and takes its picture; says why where it cannot.
#include "analysis/figures/gnuplot.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "analysis/text/format.h"
#include "core/process.h"
#include "core/work_folder.h"

namespace sublab {
namespace {

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

/// Cairo writes the time of drawing; a figure should be the same file tomorrow.
void fix_date(std::string& pdf) {
  static const std::string key = "/CreationDate (D:";
  const size_t at = pdf.find(key);
  if (at != std::string::npos) pdf.replace(at + key.size(), 14, "20000101000000");
}

/// Drops every element of this name with what is in it; none is nested in its like.
void erase_elements(std::string& svg, const std::string& name) {
  const std::string open = "<" + name, close = "</" + name + ">";
  for (size_t at = 0; (at = svg.find(open, at)) != std::string::npos;) {
    const size_t end = svg.find(close, at);
    if (end == std::string::npos) return;
    svg.erase(at, end + close.size() - at);
  }
}

void erase_attribute(std::string& tag, const std::string& name) {
  const size_t at = tag.find(" " + name + "=");
  if (at == std::string::npos) return;
  const size_t quote = at + name.size() + 2;
  tag.erase(at, tag.find(tag[quote], quote + 1) + 1 - at);
}

/// One tag with the page's colours and font, and with ids that no other figure has.
std::string themed_tag(std::string tag, const std::string& figure_id) {
  for (const char* base : {" color=\"white\"", " color=\"black\""}) replace_all(tag, base, "");
  for (const char* name : {"font-family", "shape-rendering"}) erase_attribute(tag, name);
  for (const char* quote : {"'", "\""}) {
    replace_all(tag, std::string(" id=") + quote, std::string(" id=") + quote + figure_id + "-");
    replace_all(tag, std::string("href=") + quote + "#",
                std::string("href=") + quote + "#" + figure_id + "-");
  }
  for (const auto& [colour, role] : {std::pair{"rgb(1,2,3)", "ink"},
                                     {"rgb(  1,   2,   3)", "ink"},
                                     {"rgb(4,5,6)", "soft"},
                                     {"rgb(  4,   5,   6)", "soft"},
                                     {"rgb(7,8,9)", "line"},
                                     {"rgb(  7,   8,   9)", "line"}})
    replace_all(tag, colour, "var(--" + std::string(role) + ")");
  return tag;
}

std::string first_words(const fs::path& log) {
  const std::string text = fs::exists(log) ? read_file(log) : "";
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (line.find_first_not_of(" \t^") != std::string::npos && !line.starts_with("gnuplot>"))
      return line.substr(0, 200);
  return "no message";
}

}  // namespace

std::optional<fs::path> find_gnuplot() {
  const char* given = std::getenv("SUBLAB_GNUPLOT");
  if (!given || !*given) return find_program("gnuplot");
  return is_executable(given) ? std::optional<fs::path>(given) : std::nullopt;
}

std::string themed_svg(std::string svg, const Figure& figure) {
  const size_t begin = svg.find("<svg");
  if (begin == std::string::npos) throw std::invalid_argument("themed_svg: no SVG");
  svg.erase(0, begin);
  for (const char* element : {"title", "desc", "filter"}) erase_elements(svg, element);
  std::string out;
  size_t open_group = std::string::npos;  // where the last tag stands when it opens a <g>
  for (size_t at = 0; at < svg.size();) {
    const size_t tag = std::min(svg.find('<', at), svg.size());
    const std::string text = svg.substr(at, tag - at);
    if (text.find_first_not_of(" \t\n") != std::string::npos) {
      out += text;
      open_group = std::string::npos;
    }
    if (tag == svg.size()) break;
    const size_t end = svg.find('>', tag) + 1;
    const std::string whole = svg.substr(tag, end - tag);
    at = end;
    if (whole == "</g>" && open_group != std::string::npos) {
      out.resize(open_group);
      open_group = std::string::npos;
      continue;
    }
    open_group = whole.starts_with("<g ") ? out.size() : std::string::npos;
    out += themed_tag(whole, figure.id);
  }
  out.replace(0, 4, "<svg role='img' aria-label='" + escaped(figure.title) + "'");
  return out;
}

Drawing draw_figure(const Figure& figure, FigureForm form) {
  const auto program = find_gnuplot();
  if (!program) return {std::nullopt, "gnuplot was not found (apt install gnuplot-nox)"};
  const WorkFolder work("sublab-figure");
  const fs::path script = work.path / "figure.gp", output = work.path / "figure.out",
                 log = work.path / "log";
  write_file_durably(script, gnuplot_script(figure, form, output));
  // Without the user's own settings, which would change the drawing.
  const ExitState ended = run_program({program->string(), "-d", script.string()}, log.string());
  if (ended.code != 0 || ended.signal != 0 || !fs::exists(output) || fs::file_size(output) == 0)
    return {std::nullopt, "gnuplot failed: " + first_words(log)};
  std::string bytes = read_file(output);
  if (form == FigureForm::pdf)
    fix_date(bytes);
  else
    bytes = themed_svg(std::move(bytes), figure);
  return {std::move(bytes), ""};
}

}  // namespace sublab

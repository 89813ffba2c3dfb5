// Scripts that gnuplot accepts, and what happens without it.
#include "analysis/figures/gnuplot.h"

#include <catch2/catch.hpp>
#include <regex>

#include "analysis/figures/canvas.h"
#include "analysis/figures/figure_files.h"
#include "analysis/figures/figures.h"
#include "analysis/print/print.h"
#include "tests/analysis/small_study.h"

using namespace sublab;
using Catch::Contains;

namespace {

Figure odd_figure() {
  Figure figure;
  figure.id = "odd";
  figure.title = "An <odd> & \"quoted\" one";
  figure.x.label = SmallStudy::kOddName;
  figure.y.label = "100 % ±";
  for (size_t i = 0; i < 12; ++i) {
    FigureSeries series;
    series.name = SmallStudy::kOddName + std::to_string(i);
    series.style = i;
    series.kind = i % 2 ? FigureSeries::Kind::points : FigureSeries::Kind::line;
    series.x = {1, 2, 3};
    series.y = {1.0 * static_cast<double>(i), 2, 3};
    series.y_low = series.y, series.y_high = {20, 20, 20};
    if (i % 2) series.labels = {series.name, "", "`touch hurt`"};
    figure.series.push_back(series);
  }
  return figure;
}

Figure heat_figure() {
  Figure figure;
  figure.id = "heat";
  figure.x.label = figure.y.label = "50 %";
  figure.heat_map = HeatMap{{"8 %", "16"}, {"0.5"}, {{0.25, std::nullopt}}};
  return figure;
}

/// False, and said, on a machine without gnuplot: there is nothing to look at.
bool can_draw() {
  if (find_gnuplot()) return true;
  WARN("gnuplot is not here: drawings were not tested");
  return false;
}

/// Texts of an SVG as a reader sees them.
std::vector<std::string> texts_of(const std::string& svg) {
  static const std::regex text("<text[^>]*>([^<]*)</text>");
  std::vector<std::string> out;
  for (std::sregex_iterator i(svg.begin(), svg.end(), text), end; i != end; ++i) {
    std::string found = (*i)[1];
    for (const auto& [from, to] : {std::pair{"&lt;", "<"}, {"&gt;", ">"}, {"&amp;", "&"}})
      for (size_t at; (at = found.find(from)) != std::string::npos;)
        found.replace(at, std::string(from).size(), to);
    out.push_back(found);
  }
  return out;
}

}  // namespace

TEST_CASE("no name is a command: texts stand in single quotes", "[unit]") {
  const std::string script = gnuplot_script(odd_figure(), FigureForm::svg, "/tmp/it's.svg");
  CHECK_THAT(script, Contains("set output '/tmp/it''s.svg'"));
  CHECK_THAT(script, Contains("title 'a_b{c}''\"<&>%$#\\`id` ^~0'"));
  CHECK_THAT(script, Contains("noenhanced"));
  // Outside of quotes and of data there is nothing that a name brought in.
  static const std::regex quoted("'([^'\n]|'')*'");
  const std::string bare = std::regex_replace(script, quoted, "");
  CHECK(bare.find('`') == std::string::npos);
  CHECK(bare.find('"') == std::string::npos);
  CHECK(bare.find('\'') == std::string::npos);
  CHECK_THAT(gnuplot_script(heat_figure(), FigureForm::svg, "o"), Contains("'8 %%' 0.5"));
}

TEST_CASE("names come out as they went in, and the page's colours with them", "[unit]") {
  if (!can_draw()) return;
  const Drawing drawing = draw_figure(odd_figure(), FigureForm::svg);
  INFO(drawing.problem);
  REQUIRE(drawing.bytes);
  const std::string& svg = *drawing.bytes;
  const auto texts = texts_of(svg);
  for (const std::string& wanted :
       {SmallStudy::kOddName, SmallStudy::kOddName + "11", std::string("100 % ±")}) {
    INFO(wanted);
    CHECK(std::find(texts.begin(), texts.end(), wanted) != texts.end());
  }
  CHECK_THAT(svg, Contains("aria-label='An &lt;odd&gt; &amp; &quot;quoted&quot; one'"));
  // Text has no colour and no font of its own.
  static const std::regex group(R"re(<g transform[^>]*>)re");
  size_t n = 0;
  for (std::sregex_iterator i(svg.begin(), svg.end(), group), end; i != end; ++i, ++n) {
    INFO(i->str());
    CHECK_THAT(i->str(), Contains("fill=\"var(--ink)\"") || Contains("fill=\"var(--soft)\""));
    CHECK_THAT(i->str(), !Contains("font-family"));
  }
  CHECK(n >= texts.size());
  for (const char* fixed : {"rgb(1,2,3)", "rgb(  1,", "rgb(  4,", "rgb(  7,", "white", "black\""})
    CHECK_THAT(svg, !Contains(fixed));
  // Two figures on one page share no id, and none has a width of its own.
  static const std::regex foreign(R"re( id=["'](?!odd-)|href=["']#(?!odd-))re");
  CHECK_FALSE(std::regex_search(svg, foreign));
  CHECK_THAT(svg.substr(0, svg.find('>')), !Contains("width=") && Contains("viewBox"));
}

TEST_CASE("the same figure is the same file, on the page and for print", "[unit]") {
  if (!can_draw()) return;
  for (const Figure& figure : {odd_figure(), heat_figure()})
    for (const FigureForm form : {FigureForm::svg, FigureForm::pdf}) {
      const Drawing first = draw_figure(figure, form);
      INFO(first.problem);
      REQUIRE(first.bytes);
      CHECK(first.bytes == draw_figure(figure, form).bytes);
      // The time of drawing, where it stands in the file, is always the same.
      CHECK(first.bytes->find("/CreationDate (D:") ==
            first.bytes->find("/CreationDate (D:20000101000000"));
      CHECK(first.bytes->starts_with(form == FigureForm::pdf ? "%PDF" : "<svg"));
    }
  const auto texts = texts_of(*draw_figure(heat_figure(), FigureForm::svg).bytes);
  for (const char* wanted : {"8 %", "16", "0.25", "–"})
    CHECK(std::find(texts.begin(), texts.end(), wanted) != texts.end());
}

TEST_CASE("without gnuplot the page says so, and files of another day go", "[unit]") {
  const TemporaryFolder place;
  const fs::path old = place.path / "figures" / "odd.pdf";
  write_file_durably(old, "old");
  Report report;
  report.figures = {odd_figure(), heat_figure()};
  {
    const Setting nowhere("SUBLAB_GNUPLOT", "/nonexistent");
    CHECK_FALSE(find_gnuplot());
    const std::string page = report_as_html(report);
    const std::string missing =
        "Figures are missing: gnuplot was not found (apt install gnuplot-nox)";
    CHECK_THAT(page, Contains(missing) && !Contains("<svg"));
    CHECK(page.find(missing) == page.rfind(missing));
    CHECK(write_figure_files(report, place.path) ==
          "gnuplot was not found (apt install gnuplot-nox)");
    CHECK_FALSE(fs::exists(old));
  }
  const Setting failing("SUBLAB_GNUPLOT", "/bin/false");
  CHECK(draw_figure(odd_figure(), FigureForm::svg).problem == "gnuplot failed: no message");
}

TEST_CASE("axes have round marks, and labels cover neither points nor each other", "[unit]") {
  const auto texts = [](const Scale& scale) {
    std::vector<std::string> out;
    for (const Tick& tick : ticks_of(scale)) out.push_back(tick.text);
    return out;
  };
  using Texts = std::vector<std::string>;
  CHECK(texts({0, 1, false}) == Texts{"0.0", "0.2", "0.4", "0.6", "0.8", "1.0"});
  CHECK(texts({-1000, 250'000, false}) == Texts{"0", "50 k", "100 k", "150 k", "200 k", "250 k"});
  CHECK(texts({0.9e6, 2.1e6, false}) ==
        Texts{"1.0 M", "1.2 M", "1.4 M", "1.6 M", "1.8 M", "2.0 M"});
  CHECK(texts({0.05, 60, true}) == Texts{"0.1", "1", "10"});
  CHECK(texts({1e9, 2e10, true}) == Texts{"1 G", "2 G", "5 G", "10 G", "20 G"});
  CHECK(Scale{1, 100, true}.share(10) == Approx(0.5));

  Figure figure = odd_figure();
  const Scale x = scale_of(figure, true), y = scale_of(figure, false);
  CHECK(y.low < 0);
  CHECK(y.high > 20);
  figure.y.high = 5;
  CHECK(scale_of(figure, false).high < 5.5);
  for (FigureSeries& series : figure.series)
    series.labels.assign(series.x.size(), "name");  // twelve points on one spot: no room for all
  const auto labels = placed_labels(figure, canvas_of(figure), x, y);
  CHECK(labels.size() > 3);
  CHECK(labels.size() < 36);
}

// The page of an inspection: what it shows of every byte, and the numbers under the text.
#include "analysis/inspection/inspection.h"

#include <catch2/catch.hpp>

#include "core/fields.h"
#include "core/random.h"

using namespace sublab;
using Catch::Contains;

namespace {

/// A reading whose tokens stand for `pieces`, with the boundary before them; depths and losses are
/// those given, or 0 and 1.
InspectedText reading(const std::vector<std::string>& pieces, const std::vector<int>& depths = {},
                      const std::vector<double>& losses = {}) {
  InspectedText out;
  out.name = "some/ckpt";
  out.window = 1000;
  out.tokens.push_back({256, "", 0, TokenClass::boundary, 0, kNone});
  for (size_t i = 0; i < pieces.size(); ++i) {
    InspectedToken token;
    token.id = static_cast<int64_t>(i);
    token.bytes = pieces[i];
    token.begin = out.tokens.back().end();
    token.depth = depths.empty() ? 0 : static_cast<uint8_t>(depths[i]);
    token.loss = losses.empty() ? 1 : losses[i];
    out.tokens.push_back(token);
  }
  return out;
}

/// Adds a module of `level` whose scores are 1 where a token entered it, else -1.
void add_module(InspectedText& text, int64_t level) {
  InspectedModule module{level, {}, {}};
  for (const InspectedToken& token : text.tokens) {
    const bool asked = token.depth >= level - 1, kept = token.depth >= level;
    module.scores.push_back(!asked ? kNone : kept ? 1 : -1);
    module.weights.push_back(kept ? 0.5 : kNone);
  }
  text.modules.push_back(module);
}

Inspection inspection_of(std::vector<InspectedText> sides, Alignment alignment = Alignment::none) {
  Inspection out;
  out.text = "text.txt";
  out.sides = std::move(sides);
  out.alignment = alignment;
  return out;
}

std::string page_of(const std::vector<std::string>& pieces) {
  return inspection_as_html(inspection_of({reading(pieces)}));
}

std::vector<std::string> bytes_of(const std::string& text) {
  std::vector<std::string> out;
  for (const char c : text) out.emplace_back(1, c);
  return out;
}

size_t count(const std::string& text, const std::string& what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

const Table& table_of(const std::vector<Table>& tables, const std::string& title) {
  for (const Table& table : tables)
    if (table.title.starts_with(title)) return table;
  FAIL("no table " << title);
  return tables.front();
}

std::vector<std::string> cells_of(const Table& table, size_t row) {
  std::vector<std::string> out;
  for (const Cell& cell : table.rows.at(row).cells) out.push_back(cell.text);
  return out;
}

}  // namespace

TEST_CASE("text with markup, quotes and line ends is shown, not obeyed", "[unit]") {
  const std::string page = page_of({"<b>", "\"q'", "&amp;", "a\n\nb", "\t", "\r", "\xe2\x80\xae"});
  CHECK_THAT(page, Contains(">&lt;b&gt;</span>") && Contains(">&quot;q&#39;</span>") &&
                       Contains(">&amp;amp;</span>"));
  CHECK_THAT(page, Contains(">a<i>↵</i>\n<i>↵</i>\nb</span>") && Contains("><i>⇥</i>\t</span>"));
  CHECK_THAT(page, Contains("><em>\\x0D</em></span>"));
  CHECK_THAT(page, Contains("><em>\\xE2\\x80\\xAE</em></span>"));  // would turn the text around
  CHECK(count(page, "<span class='t ") == 8);
  Inspection named = inspection_of({reading({"x"})});
  named.text = "<i>.txt";
  named.sides[0].name = "it's\"<x>";
  CHECK_THAT(inspection_as_html(named),
             !Contains("<i>.txt") && !Contains("it's") && Contains("it&#39;s&quot;&lt;x&gt;"));
  CHECK_THAT(page, !Contains("http") && !Contains("src="));
}

TEST_CASE("bytes of one character stand together, and lone ones are spelled", "[unit]") {
  const std::string page = page_of(bytes_of("a\xc3\xa9z\xf0\x9f\x98\x80\xff\xc3"));
  CHECK(count(page, "<span class='t ") == 11);
  CHECK(count(page, "<span class='g'>") == 2);
  CHECK_THAT(page, Contains("data-t='\\xC3 of \xc3\xa9'>\xc3\xa9</span>"
                            "<span class='t d0 l7' data-i='3'"));
  CHECK_THAT(page, Contains("data-t='\\xA9 of \xc3\xa9'><i>◂</i></span></span>"));
  CHECK_THAT(page, Contains(">\xf0\x9f\x98\x80</span>"));
  CHECK_THAT(page, Contains("><em>\\xFF</em></span>") && Contains("><em>\\xC3</em></span>"));
  // The end of one character and the beginning of the next in one token.
  const std::string chained = page_of({"\xc3", "\xa9\xc3", "\xa9"});
  CHECK(count(chained, "<span class='g'>") == 1);
  CHECK(count(chained, ">\xc3\xa9</span>") == 2);
  CHECK(visible("\xc3\xa9\xc3 \x01\n") == "\xc3\xa9\\xC3 \\x01\n");
}

TEST_CASE("spans carry what the read-out says", "[unit]") {
  InspectedText text = reading({"a", "b"}, {2, 0}, {0.25, 3});
  add_module(text, 1);
  add_module(text, 2);
  text.window = 2;
  const std::string page = inspection_as_html(inspection_of({text}));
  CHECK_THAT(page, Contains("<span class='t d7 l0 m0-7 m1-4' data-i='1' data-id='0' data-b='0' "
                            "data-d='2' data-c='6' data-l='0.25' data-s='1,1' data-w='0.5,0.5'>"));
  CHECK_THAT(page, Contains("<span class='t d0 l7 m0-0 m1-u ws' data-i='2' data-id='1' data-b='1' "
                            "data-d='0' data-c='6' data-l='3' data-s='−1,' data-w=','>"));
  CHECK_THAT(page, Contains("value='m1'"));
  CHECK_THAT(page, !Contains("nothing is dropped"));
  CHECK_THAT(page_of({"a"}), Contains("nothing is dropped") && !Contains("value='m0'"));
  text.causal = false;
  CHECK_THAT(inspection_as_html(inspection_of({text})), Contains("looks at later tokens"));
}

TEST_CASE("kept and dropped tokens are told apart level by level", "[unit]") {
  // depth 1, 0, 2, 1 with losses 1, 2, 4, 8: the second loss of a token is the next one's.
  const InspectedText text = [] {
    InspectedText out = reading({"a", "b", "c", "d"}, {1, 0, 2, 1}, {1, 2, 4, 8});
    add_module(out, 1);
    add_module(out, 2);
    return out;
  }();
  const Contrast own = kept_and_dropped(text, 1, LossOf::token);
  CHECK((own.n_with == 3 && own.n_without == 1));
  CHECK(own.with == Approx(13.0 / 3));
  CHECK(own.without == 2);
  CHECK(own.difference.value == Approx(7.0 / 3));
  CHECK_FALSE(own.difference.interval);  // one block
  const Contrast inner = kept_and_dropped(text, 2, LossOf::token);
  CHECK((inner.n_with == 1 && inner.n_without == 2));
  CHECK(inner.without == 4.5);
  const Contrast made = kept_and_dropped(text, 1, LossOf::prediction);
  CHECK((made.n_with == 2 && made.n_without == 2));
  CHECK((made.with == 5 && made.without == 2.5));
  const auto tables = inspection_tables(text);
  CHECK(cells_of(table_of(tables, "Kept, by level"), 1) ==
        std::vector<std::string>{"1", "0.333", "0.200"});
  CHECK(cells_of(table_of(tables, "Loss of predicting"), 0) ==
        std::vector<std::string>{"3", "1", "4.333", "2.000", "+2.333"});
  CHECK(cells_of(table_of(tables, "Modules"), 0) ==
        std::vector<std::string>{"1", "5", "3", "0.600", "−1.000", "1.000", "1.000", "0.500"});
  CHECK(cells_of(table_of(tables, "By class"), 1) ==
        std::vector<std::string>{"4", "3.750", "0.750", "0.250"});
  const Figure figure = position_figure(text, 0);
  REQUIRE(figure.series.size() == 2);
  CHECK(figure.series[0].y.at(0) == Approx(0.6));
}

TEST_CASE("two readings of the same tokens are compared token by token", "[unit]") {
  InspectedText a = reading({"a", "b", "c", "d"}, {1, 1, 0, 0}, {1, 2, 3, 4});
  InspectedText b = reading({"a", "b", "c", "d"}, {1, 0, 1, 0}, {1, 1, 1, 1});
  add_module(a, 1);
  add_module(b, 1);
  const Inspection both = inspection_of({a, b}, Alignment::tokens);
  const auto tables = comparison_tables(both);
  const Table& losses = table_of(tables, "Loss per token");
  CHECK(cells_of(losses, 0) == std::vector<std::string>{"4", "2.500", "1.000", "+1.500"});
  CHECK(cells_of(losses, 2) == std::vector<std::string>{"1", "2.000", "1.000", "+1.000"});
  CHECK(cells_of(table_of(tables, "Overlap"), 0) ==
        std::vector<std::string>{"0.400", "0.400", "0.333", "0.250"});
  CHECK_THAT(inspection_as_html(both), Contains("value='difference'"));
  const json parsed = json::parse(inspection_as_json(both));
  CHECK(parsed["alignment"] == "tokens");
  CHECK(parsed["comparison"][losses.title]["all"]["A − B"] == 1.5);
  CHECK(parsed["checkpoints"][1]["depth"] == json({0, 1, 0, 1, 0}));
  CHECK(parsed["checkpoints"][0]["loss_nats"] == json({nullptr, 1, 2, 3, 4}));
  CHECK(parsed["checkpoints"][0]["modules"][0]["weights"][3].is_null());
}

TEST_CASE("readings of different tokens are compared byte by byte", "[unit]") {
  InspectedText a = reading({"ab", "c", "d"}, {1, 0, 0}, {4, 1, 1});
  InspectedText b = reading({"a", "bc"}, {1, 0}, {1, 6});
  add_module(a, 1);
  add_module(b, 1);
  Inspection both = inspection_of({a, b}, Alignment::bytes);
  const auto units = shared_units(both);
  REQUIRE(units.size() == 3);  // where both have text
  CHECK((units[1].depth[0] == 1 && units[1].depth[1] == 0));
  CHECK((units[1].loss[0] == 2 && units[1].loss[1] == 3));
  CHECK(loss_difference(units).value == Approx((5.0 - 7.0) / 3));
  CHECK_THAT(inspection_as_html(both),
             Contains("tokens are shown separately") && !Contains("value='difference'"));
  both.alignment = Alignment::none;
  CHECK(comparison_tables(both).empty());
  CHECK_THAT(inspection_as_html(both), Contains("are not compared"));
}

TEST_CASE("intervals over blocks hold for tokens that depend on their neighbours", "[unit]") {
  // Losses follow an autoregression of correlation 0.9 and have nothing to do with who is kept, so
  // that the true difference is 0. Taken as independent, the interval would be far too
  // short where kept tokens come in runs.
  int covered = 0, covered_if_independent = 0;
  constexpr int kTexts = 300, kTokens = 4000;
  for (int text = 0; text < kTexts; ++text) {
    RandomSequence random(static_cast<uint64_t>(text), "texts");
    std::vector<double> losses;
    std::vector<int> depths;
    double level = 0, kept = 0;
    for (int i = 0; i < kTokens; ++i) {
      level = 0.9 * level + unit_interval(random.next()) - 0.5;
      if (random.below(20) == 0) kept = 1 - kept;
      losses.push_back(level + 5);
      depths.push_back(static_cast<int>(kept));
    }
    const InspectedText side = reading(std::vector<std::string>(kTokens, "x"), depths, losses);
    const Contrast contrast = kept_and_dropped(side, 1, LossOf::token);
    REQUIRE(contrast.difference.interval);
    covered += contrast.difference.interval.value().contains(0);
    const double n = contrast.n_with, m = contrast.n_without;
    double square = 0;
    for (const double loss : losses) square += (loss - 5) * (loss - 5) / kTokens;
    covered_if_independent +=
        std::abs(contrast.difference.value) < 1.96 * std::sqrt(square / n + square / m);
  }
  CHECK(covered >= 0.91 * kTexts);
  CHECK(covered <= 0.99 * kTexts);
  CHECK(covered_if_independent < 0.75 * kTexts);
}

// Paired comparisons: what pairs, what is refused, what verdicts say.
#include "analysis/study/compare.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "analysis/build_report.h"
#include "analysis/print/print.h"
#include "analysis/report/report.h"
#include "tests/analysis/study_fixture.h"
#include "tests/temporary_folder.h"

using namespace sublab;

namespace {

const Table& table_of(const Report& report, const std::string& title) {
  for (const Table& table : report.tables)
    if (table.title == title) return table;
  throw std::runtime_error("no table " + title);
}

}  // namespace

TEST_CASE("one seed speaks of checkpoints, several of the recipe", "[unit]") {
  TemporaryFolder place;
  write_fixture(
      place.path, {},
      {{"a", 1, wavy_losses(3)}, {"b", 1, wavy_losses(2.9, 0.31)}, {"c", 1, wavy_losses(3, 0.29)}});
  const StudyData one = read_study_data(place.path);
  const Comparison better = compare_losses(one.variant("b"), one.variant("a"));
  REQUIRE(better.possible);
  CHECK(better.target() == "these checkpoints");
  CHECK(better.difference.value == Approx(-0.1).epsilon(0.05));
  CHECK(better.verdict() == "better");
  CHECK(better.to_settle().empty());
  const Comparison unclear = compare_losses(one.variant("c"), one.variant("a"));
  CHECK(unclear.verdict() == "unclear");
  CHECK(unclear.to_settle().find("more tokens of text") != std::string::npos);
  TemporaryFolder more;
  write_fixture(more.path, {},
                {{"a", 1, wavy_losses(3)},
                 {"a", 2, wavy_losses(3.2)},
                 {"a", 3, wavy_losses(2.9)},
                 {"b", 1, wavy_losses(2.9)},
                 {"b", 2, wavy_losses(3.21)},
                 {"b", 3, wavy_losses(2.85)}});
  const StudyData three = read_study_data(more.path);
  const Comparison recipe = compare_losses(three.variant("b"), three.variant("a"));
  CHECK(recipe.target() == "the recipe");
  CHECK(recipe.document_error == Approx(0).margin(1e-12));  // every document moved alike
  const double spread = error_over_seeds({-0.1, 0.01, -0.05});
  CHECK(recipe.seed_error == Approx(spread));
  CHECK(recipe.difference.interval->high - recipe.difference.value ==
        Approx(student_quantile(0.975, 2) * spread));
  CHECK(recipe.to_settle().find("more seeds") != std::string::npos);
}

TEST_CASE(
    "losses per token ask for one tokenizer and the same documents, bits per byte for the "
    "text",
    "[unit]") {
  TemporaryFolder place;
  write_fixture(place.path, {},
                {{"a", 1, wavy_losses(3)},
                 {"other", 1, wavy_losses(2.8, 0.31), "pieces"},
                 {"elsewhere", 1, wavy_losses(2.9), "bytes", 1000},
                 {"nowhere", 1, wavy_losses(2.9), "pieces", 1000}});
  const StudyData data = read_study_data(place.path);
  const Comparison tokens = compare_losses(data.variant("other"), data.variant("a"));
  CHECK_FALSE(tokens.possible);
  CHECK(tokens.reason.find("tokenizers differ") != std::string::npos);
  const Comparison bits = compare_losses_in_any_unit(data.variant("other"), data.variant("a"));
  REQUIRE(bits.possible);
  CHECK(bits.unit == DifferenceUnit::bits_per_byte);
  CHECK(bits.difference.value == Approx(-0.2 / std::log(2.0)).epsilon(0.02));
  CHECK(compare_losses(data.variant("elsewhere"), data.variant("a")).reason ==
        "the validation documents differ");
  CHECK(compare_losses_in_any_unit(data.variant("nowhere"), data.variant("a"))
            .reason.find("tokenizers differ") != std::string::npos);
  fs::remove(arrays_path(place.path, data.variant("a").records[0].id));
  const StudyData missing = read_study_data(place.path);
  CHECK(compare_losses(missing.variant("elsewhere"), missing.variant("a")).reason.find("missing") !=
        std::string::npos);
  const Report report = build_report(place.path);
  const bool said =
      std::any_of(report.footnotes.begin(), report.footnotes.end(), [](const std::string& note) {
        return note.find("losses per document are missing") != std::string::npos;
      });
  CHECK(said);
}

TEST_CASE("p-values are corrected over what the study declares", "[unit]") {
  TemporaryFolder place;
  const std::vector<FixtureTrial> trials = {{"a", 1, wavy_losses(3)},
                                            {"b", 1, wavy_losses(2.99, 0.36)},
                                            {"c", 1, wavy_losses(2.995, 0.34)},
                                            {"d", 1, wavy_losses(3.001, 0.33)}};
  write_fixture(place.path, {}, trials);
  const auto all = declared_comparisons(read_study_data(place.path));
  REQUIRE(all.size() == 3);
  CHECK(all[0].p_holm.value() == Approx(std::min(1.0, 3 * all[0].p_value.value())));
  Plan plan;
  plan.comparisons = {{"b", "c"}};
  TemporaryFolder declared;
  write_fixture(declared.path, plan, trials);
  const auto one = declared_comparisons(read_study_data(declared.path));
  REQUIRE(one.size() == 1);
  CHECK(one[0].a == "b");
  CHECK(one[0].b == "c");
  CHECK(one[0].p_holm == one[0].p_value);
  const Report report = build_report(declared.path);
  CHECK(table_of(report, "Comparisons").rows[0].variant == "b − c");
}

TEST_CASE("an equal-cost table gives no verdict where the cost was not equal", "[unit]") {
  TemporaryFolder place;
  const auto flops = [](double per_token) {
    return std::vector<Metric>{{"train_flops_per_token", per_token, json::object(), ""},
                               {"train_tokens", 1000.0, json::object(), ""}};
  };
  Plan plan;
  plan.match = {{{"by", "train_flops"}, {"tolerance", 0.01}}};
  write_fixture(place.path, plan,
                {{"a", 1, wavy_losses(3), "bytes", 1, flops(100)},
                 {"b", 1, wavy_losses(2.5, 0.31), "bytes", 1, flops(100.5)},
                 {"c", 1, wavy_losses(2.4, 0.31), "bytes", 1, flops(150)}});
  const Table table = table_of(build_report(place.path), "At equal training FLOPs");
  CHECK(table.rows[1].cells[1].text == "1.005");
  CHECK(table.rows[1].cells[4].text == "better");
  CHECK(table.rows[2].cells[4].text == "–");
  CHECK(table.rows[2].cells[1].notes.size() == 1);
  CHECK_FALSE(table.rows[2].cells[3].strong);
}

TEST_CASE("columns that never vary are said once", "[unit]") {
  TemporaryFolder place;
  write_fixture(place.path, {}, {{"a", 1, wavy_losses(3)}, {"b", 1, wavy_losses(2.5, 0.31)}});
  const Report report = build_report(place.path);
  const Table& cost = table_of(report, "Cost");
  CHECK(caption_text(cost).find("learning rate: 0.001") != std::string::npos);
  for (const Column& column : cost.columns) CHECK(column.name != "learning rate");
  CHECK(report_as_csv(report).find("all,learning rate,0.001") != std::string::npos);
}

TEST_CASE("losses through unlike windows are not compared, and the report says whose differ",
          "[unit]") {
  TemporaryFolder place;
  write_fixture(place.path, {},
                {{"a", 1, wavy_losses(3), "bytes", 1, {}, {{"window", 32}, {"stride", 16}}},
                 {"b", 1, wavy_losses(2.9), "bytes", 1, {}, {{"window", 16}, {"stride", 8}}}});
  const StudyData data = read_study_data(place.path);
  const Comparison comparison = compare_losses(data.variant("b"), data.variant("a"));
  CHECK_FALSE(comparison.possible);
  CHECK(comparison.reason.find("stride 8, window 16") != std::string::npos);
  std::string facts;
  for (const std::string& fact : build_report(place.path).facts) facts += fact;
  CHECK(facts.find("Not so: b.") != std::string::npos);
}

// From next to nothing follows next to nothing: no interval, no p-value, no verdict.
#include <catch2/catch.hpp>
#include <cmath>

#include "analysis/build_report.h"
#include "analysis/claims/claims.h"
#include "analysis/inspection/inspection.h"
#include "analysis/print/print.h"
#include "analysis/report/report.h"
#include "analysis/study/compare.h"
#include "analysis/study/scaling.h"
#include "analysis/text/format.h"
#include "tests/analysis/simulation.h"
#include "tests/analysis/study_fixture.h"
#include "tests/temporary_folder.h"

using namespace sublab;
using Catch::Contains;

namespace {

/// Documents whose logs of length vary by `length_spread`, each with a level of its own.
std::vector<DocumentSum> documents(RandomSequence& random, int n, double length_spread) {
  std::vector<DocumentSum> out;
  for (int d = 0; d < n; ++d) {
    const double tokens = 5 + std::floor(20 * std::exp(length_spread * normal(random)));
    const double level = 3 + 0.3 * normal(random);
    out.push_back({tokens * level, tokens});
  }
  return out;
}

/// Two variants of `n_seeds` seeds over `n` documents that differ clearly.
void write_study(const fs::path& folder, int64_t n_seeds, int n) {
  std::vector<FixtureTrial> trials;
  for (int64_t seed = 1; seed <= n_seeds; ++seed) {
    const double drawn = 0.01 * static_cast<double>(seed);
    trials.push_back({"a", seed, wavy_losses(3 + drawn, 0.3, n)});
    trials.push_back({"b", seed, wavy_losses(2 - drawn, 0.35, n)});
  }
  Plan plan;
  plan.match = {{{"by", "train_tokens"}}};
  write_fixture(folder, plan, trials);
}

/// Texts of a report that only a spread can give.
void check_no_statistics(const Report& report) {
  for (const Table& table : report.tables)
    for (const Row& row : table.rows)
      for (size_t c = 0; c < row.cells.size(); ++c) {
        const Cell& cell = row.cells[c];
        INFO(table.title << ", " << row.variant << ", " << table.columns[c].name);
        CHECK_FALSE(cell.low);
        CHECK_FALSE(cell.high);
        CHECK_FALSE(cell.strong);
        CHECK(cell.text.find('[') == std::string::npos);
        const std::string& name = table.columns[c].name;
        if (name == "p" || name == "p Holm" || name == "q" || name.starts_with("detectable"))
          CHECK(cell.text == "–");
        if (name == "verdict") CHECK((cell.text == "unclear" || cell.text == "–"));
      }
  CHECK_THAT(report.facts.front(), Contains("No loss has an interval"));
  for (const std::string& finding : report.findings)
    CHECK_THAT(finding, !Contains("smallest difference"));
  for (const std::string& format : report_formats()) {
    const std::string text = report_as(format, report);
    CHECK_THAT(text, !Contains("better") && !Contains("worse than") && !Contains("[low, high]"));
    CHECK_THAT(text, Contains("effective documents"));
  }
}

}  // namespace

TEST_CASE("one, two and three documents printed intervals up to 10^12, or of no width", "[unit]") {
  for (const int64_t n_seeds : {1, 2, 3})
    for (const int n : {1, 2, 3, 19}) {
      INFO(n_seeds << " seeds, " << n << " documents");
      const TemporaryFolder place;
      write_study(place.path, n_seeds, n);
      const StudyData data = read_study_data(place.path);
      const Comparison c = compare_losses(data.variant("b"), data.variant("a"));
      REQUIRE(c.possible);
      CHECK_FALSE(c.difference.interval);
      CHECK_FALSE(c.p_value);
      CHECK_FALSE(c.p_holm);
      CHECK_FALSE(c.smallest_detectable);
      CHECK(c.verdict() == "unclear");
      CHECK(c.to_settle().empty());
      CHECK_FALSE(variant_loss(data.variant("a")).interval);
      check_no_statistics(build_report(place.path));
    }
}

TEST_CASE("one long document among short ones counts as the few that it leaves", "[unit]") {
  std::vector<DocumentSum> text(40, {30, 10});
  for (size_t d = 0; d < text.size(); ++d) text[d].loss += std::sin(1.7 * static_cast<double>(d));
  CHECK(mean_loss(text).interval);
  text[0] = {9000, 3000};
  const Estimate estimate = mean_loss(text);
  CHECK(estimate.clusters < 2);
  CHECK_FALSE(estimate.interval);
  CHECK_THAT(estimate.no_interval, Contains("fewer than 20 effective documents (1.2)"));
}

TEST_CASE("losses that are equal but for rounding had an interval of no width", "[unit]") {
  std::vector<DocumentSum> equal(30, {6, 2}), rounded = equal;
  for (size_t d = 0; d < rounded.size(); ++d)
    rounded[d].loss += 1e-15 * std::cos(static_cast<double>(d));
  for (const auto& text : {equal, rounded, differences(equal, rounded), differences(equal, equal)})
    CHECK_FALSE(mean_loss(text).interval);
  CHECK_FALSE(mean_over_seeds_and_documents({equal, rounded, equal}).interval);
  CHECK_FALSE(mean_over_seeds({0.1 + 0.2, 0.3, 0.3}).interval);
  CHECK_FALSE(mean_over_seeds({2.5}).interval);
  CHECK_FALSE(difference_of_means(equal, rounded).interval);
  const TemporaryFolder place;  // the same model twice
  write_fixture(place.path, {}, {{"a", 1, wavy_losses(3)}, {"b", 1, wavy_losses(3)}});
  const auto same = declared_comparisons(read_study_data(place.path)).at(0);
  CHECK(same.verdict() == "unclear");
  CHECK_FALSE(same.p_value);
  CHECK_THAT(report_as_markdown(build_report(place.path)), Contains("no spread between"));
}

TEST_CASE("an interval ends where the data end", "[unit]") {
  // One document that differs from 39 that do not: draws without it have no spread to divide by.
  std::vector<DocumentSum> text(40, {30, 10});
  text[7].loss = 50;
  const Estimate estimate = mean_loss(text);
  REQUIRE(estimate.interval);
  CHECK(estimate.interval->low >= 3);
  CHECK(estimate.interval->high <= 5);
  // Two seeds far from each other: t(1) reaches below a loss of 0.
  VariantData variant;
  for (const int seed : {1, 2}) {
    Record record;
    record.seed = seed;
    record.id = std::to_string(seed);
    variant.records.push_back(record);
    DocumentLossTable& table = variant.losses[record.id][""];
    for (size_t d = 0; d < 40; ++d) {
      table.keys.push_back(d);
      table.sums.push_back({10.0 * seed + std::sin(static_cast<double>(d)), 10});
    }
  }
  const Estimate loss = variant_loss(variant);
  REQUIRE(loss.interval);
  CHECK(loss.interval->low == 0);
  CHECK(loss.interval->high > 5);
  const Estimate share = accuracy({{39, 1, 0, 0}, {20, 20, 0, 0}});
  CHECK(share.interval->low == 0);
  CHECK(share.interval->high == 1);
}

TEST_CASE("few rows, few rounds and a perfect ladder have no interval", "[unit]") {
  CHECK_FALSE(proportion(3, 3).interval);
  CHECK_FALSE(accuracy({{1, 0, 0, 0}, {0, 1, 0, 0}}).interval);
  CHECK(proportion(20, 20).interval->low > 0.8);
  const Estimate five = speed_ratio({2, 2, 3, 2, 2}, {1, 1, 1, 1, 1});
  CHECK_FALSE(five.interval);
  CHECK(speed_verdict(five, five).verdict == "unclear");
  CHECK(speed_ratio({2, 2, 3, 2, 2, 2}, {1, 1, 1, 1, 1, 1}).interval);
  std::vector<LadderPoint> reference, twice;
  for (const double flops : {1e9, 4e9, 1.6e10}) {
    reference.push_back({flops, 5 * std::pow(flops, -0.05)});
    twice.push_back({flops, 5 * std::pow(2 * flops, -0.05)});
  }
  CHECK_FALSE(compute_worth(twice, reference).times.interval);
}

TEST_CASE("a ladder and a claim say no more than the text that they stand on", "[unit]") {
  const TemporaryFolder place;
  Plan plan;
  std::vector<FixtureTrial> trials;
  for (const int64_t seed : {1, 2})
    for (const double size : {1.0, 2.0, 4.0})
      for (const char* curve : {"a", "b"}) {
        const std::string name = curve + std::to_string(static_cast<int>(size));
        const double loss = (curve[0] == 'a' ? 3.0 : 2.8) * std::pow(size, -0.1) +
                            0.003 * std::sin(10 * size + 3 * static_cast<double>(seed));
        trials.push_back({name,
                          seed,
                          wavy_losses(loss, 0.3, 3),
                          "bytes",
                          1,
                          {{"train_flops_per_token", 1e6 * size, json::object(), ""},
                           {"train_tokens", 1000.0, json::object(), ""}}});
      }
  plan.scaling = {{"a", {"a1", "a2", "a4"}}, {"b", {"b1", "b2", "b4"}}};
  plan.claims = {{{"claim", "perplexity falls"},
                  {"source", "a paper"},
                  {"metric", "perplexity_difference"},
                  {"expected", -1},
                  {"tolerance", {{"absolute", 5}}},
                  {"protocol", {{"architecture", "llama"}}}}};
  write_fixture(place.path, plan, trials);
  const Report report = build_report(place.path);
  bool scaling = false, claims = false;
  for (const Table& table : report.tables) {
    scaling = scaling || table.title == "Scaling";
    claims = claims || table.title == "Claims";
    for (const Row& row : table.rows)
      for (size_t c = 0; c < row.cells.size(); ++c) {
        CHECK_FALSE(row.cells[c].low);
        if (table.columns[c].name == "p parallel") CHECK(row.cells[c].text == "–");
      }
  }
  CHECK(scaling);
  CHECK(claims);
  for (const ClaimLine& line : check_claims(read_study_data(place.path),
                                            {{"paper", {read_claim(plan.claims[0], "test")}}})) {
    CHECK(line.verdict == ClaimVerdict::not_reproduced);
    CHECK_THAT(reason_text(line), Contains("no interval: fewer than 20 effective documents"));
  }
}

TEST_CASE("an interval whose ends read alike gets more digits", "[unit]") {
  CHECK(interval_text({2.55690, 2.55692}, 3) == "[2.55690, 2.55692]");
  CHECK(interval_text({-0.25, 0.25}, 3) == "[−0.250, 0.250]");
  CHECK(interval_text({1, 1}, 2) == "[1.00, 1.00]");
}

TEST_CASE("intervals hold from the fewest documents on that have one", "[unit]") {
  RandomSequence random(31, "few");
  constexpr int kStudies = 600;
  // About 20 effective documents: of equal length, and 30 of unequal length.
  for (const auto& [n, length_spread] : {std::pair{20, 0.0}, std::pair{32, 0.8}}) {
    int covered = 0, given = 0;
    for (int i = 0; i < kStudies; ++i) {
      const Estimate estimate = mean_loss(documents(random, n, length_spread), i);
      given += estimate.interval.has_value();
      covered += estimate.interval && estimate.interval->contains(3);
    }
    INFO(n << " documents: " << covered << " of " << given);
    CHECK(given >= kStudies / 3);
    CHECK(covered >= 0.91 * given);
    CHECK(covered <= 0.975 * given);
  }
}

// Two one-sided tests: what they call equivalent, and how often they are wrong.
#include <catch2/catch.hpp>
#include <cmath>

#include "analysis/build_report.h"
#include "analysis/study/compare.h"
#include "tests/analysis/simulated_study.h"
#include "tests/analysis/study_fixture.h"
#include "tests/temporary_folder.h"

using namespace sublab;
using Catch::Contains;

namespace {

/// [seeds][documents] of a paired difference.
using Differences = std::vector<std::vector<DocumentSum>>;

Differences drawn_differences(RandomSequence& random, int seeds, int documents, double mean,
                              Spread spread) {
  std::vector<double> tokens, own;
  for (int d = 0; d < documents; ++d) {
    tokens.push_back(40 + std::floor(60 * random.uniform()));
    own.push_back(spread.document * normal(random));
  }
  Differences out(static_cast<size_t>(seeds));
  for (auto& sums : out) {
    const double of_seed = mean + spread.seed * normal(random);
    for (size_t d = 0; d < tokens.size(); ++d)
      sums.push_back(
          {tokens[d] * (of_seed + own[d] + spread.together * normal(random)), tokens[d]});
  }
  return out;
}

std::vector<double> means_of(const Differences& differences) {
  std::vector<double> out;
  for (const auto& documents : differences) out.push_back(loss_per_token(documents));
  return out;
}

DifferenceError error_of(const Differences& differences) {
  DifferenceError out{.documents = effective_documents(differences.front())};
  if (differences.size() == 1) {
    out.of_documents = error_over_documents(differences.front());
    return out;
  }
  out.seeds = static_cast<double>(differences.size());
  out.of_seeds = error_over_seeds(means_of(differences));
  out.of_documents = error_of_documents_beside_seeds(differences);
  return out;
}

}  // namespace

TEST_CASE("two one-sided tests are Student's at the nearer margin", "[unit]") {
  const DifferenceError seeds{.of_seeds = 0.01, .seeds = 4};
  // P(T > t) of the margin that lies nearer.
  const auto tail = [](double t) { return 1 - student_cdf(t, 3); };
  CHECK(equivalence_p_value(0.004, 0.03, seeds) == Approx(tail(2.6)).epsilon(1e-6));
  CHECK(equivalence_p_value(-0.004, 0.03, seeds) == Approx(tail(2.6)).epsilon(1e-6));
  CHECK(equivalence_p_value(0.03, 0.03, seeds) == Approx(0.5).margin(1e-6));
  CHECK(equivalence_p_value(0.05, 0.03, seeds) == Approx(1 - tail(2)).epsilon(1e-6));
  // One seed: documents alone.
  const DifferenceError documents{.of_documents = 0.01, .documents = 40};
  CHECK(equivalence_p_value(0, 0.02, documents) == Approx(1 - student_cdf(2, 39)).epsilon(1e-6));
}

TEST_CASE("a difference as large as the margin is called equivalent in some 5 of 100 studies",
          "[unit]") {
  RandomSequence random(31, "equivalence");
  constexpr int kStudies = 600, kPowered = 100;
  constexpr double kMargin = 0.3;
  for (const int seeds : {1, 2, 3, 5}) {
    // One seed speaks of these checkpoints: what the seed drew is no part of the error.
    const Spread spread{seeds == 1 ? 0 : 0.05, 0.05, 0.05};
    const auto found = [&](double mean) {
      const auto differences = drawn_differences(random, seeds, 40, mean, spread);
      return equivalence_p_value(mean_of(means_of(differences)), kMargin, error_of(differences)) <
             0.05;
    };
    int wrong = 0, right = 0;
    for (int i = 0; i < kStudies; ++i) wrong += found(i % 2 ? kMargin : -kMargin);
    for (int i = 0; i < kPowered; ++i) right += found(0);
    INFO(seeds << " seeds: " << wrong << " wrong of " << kStudies << ", " << right << " right of "
               << kPowered);
    CHECK(wrong <= 0.075 * kStudies);
    // 0.3 is 8 and more standard errors: found by all but two seeds, whose t has one degree.
    CHECK(right >= (seeds == 2 ? 0.3 : 0.9) * kPowered);
  }
}

TEST_CASE("a comparison's test of its margin takes the errors of its interval", "[unit]") {
  RandomSequence random(32, "equivalence");
  for (const int seeds : {1, 3}) {
    Comparison c = simulated_comparison(random, seeds, 40, 0.1, {0.05, 0.05, 0.05});
    test_equivalence({.loss_nats = 0.2, .accuracy = {}}, c);
    const double expected = equivalence_p_value(c.difference.value, 0.2,
                                                {.of_seeds = c.seed_error,
                                                 .seeds = static_cast<double>(seeds),
                                                 .of_documents = c.document_error,
                                                 .documents = c.difference.clusters});
    CHECK(c.p_equivalence.value() == expected);
    CHECK(c.document_error > 0);
    CHECK((c.seed_error > 0) == (seeds > 1));
    Comparison other = c;
    other.equivalence_margin.reset(), other.p_equivalence.reset();
    test_equivalence({.loss_nats = {}, .accuracy = 0.2}, other);  // of another unit
    CHECK_FALSE(other.p_equivalence);
  }
}

TEST_CASE("a stated margin adds a verdict and changes no number", "[unit]") {
  const std::vector<FixtureTrial> trials = {{"a", 1, wavy_losses(3)},
                                            {"b", 1, wavy_losses(3, 0.32)},
                                            {"c", 1, wavy_losses(2.9, 0.31)},
                                            {"d", 1, wavy_losses(2.995, 0.3001)}};
  const TemporaryFolder without, with;
  write_fixture(without.path, {}, trials);
  Plan plan;
  plan.equivalence.loss_nats = 0.02;
  write_fixture(with.path, plan, trials);
  const auto before = declared_comparisons(read_study_data(without.path)),
             now = declared_comparisons(read_study_data(with.path));
  REQUIRE(now.size() == 3);
  for (size_t i = 0; i < now.size(); ++i) {
    CHECK(now[i].difference.value == before[i].difference.value);
    CHECK(now[i].difference.interval->low == before[i].difference.interval->low);
    CHECK(now[i].p_holm == before[i].p_holm);
    CHECK(now[i].smallest_detectable == before[i].smallest_detectable);
    CHECK_FALSE(before[i].p_equivalence);
    CHECK_FALSE(before[i].equivalence_margin);
  }
  CHECK(before[0].verdict() == "unclear");
  CHECK(now[0].verdict() == "equivalent");
  CHECK(now[0].clear());
  CHECK(now[1].verdict() == "better");
  // Told apart from 0 and from the margin.
  CHECK(now[2].differs());
  CHECK(now[2].verdict() == "equivalent");
  CHECK(now[2].verdict_text() == "equivalent (better, by less than 0.02)");
  // Holm's, over the p-values of the margin alone.
  std::vector<double> alone;
  for (const Comparison& each : now) alone.push_back(each.p_equivalence.value());
  const auto corrected = holm(alone);
  for (size_t i = 0; i < now.size(); ++i) CHECK(now[i].p_equivalence_holm.value() == corrected[i]);
  const Report report = build_report(with.path);
  for (const Table& table : report.tables)
    if (table.title == "Comparisons")
      CHECK_THAT(caption_text(table), Contains("within 0.02 nats per token"));
}

TEST_CASE("what a design finds is said before and after correction", "[unit]") {
  const TemporaryFolder place;
  write_fixture(place.path, {},
                {{"a", 1, wavy_losses(3)},
                 {"b", 1, wavy_losses(2.99, 0.36)},
                 {"c", 1, wavy_losses(2.995, 0.34)},
                 {"d", 1, wavy_losses(3.001, 0.33)}});
  const auto all = declared_comparisons(read_study_data(place.path));
  for (const Comparison& each : all) {
    CHECK(each.n_declared == 3);
    const double of_one = each.smallest_detectable.value(),
                 of_all = each.smallest_detectable_holm.value();
    CHECK(of_all / of_one == Approx(student_detectable(39, 0.05 / 3) / student_detectable(39)));
    CHECK(of_all > of_one);
    CHECK_FALSE(each.to_settle_holm() == each.to_settle());
  }
  const Report report = build_report(place.path);
  bool said = false;
  for (const std::string& finding : report.findings)
    said = said || finding.find("after Holm's correction over 3 comparisons") != std::string::npos;
  CHECK(said);
}

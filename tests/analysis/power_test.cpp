// What a design can find, and what it would take to find more.
#include <catch2/catch.hpp>
#include <cmath>

#include "tests/analysis/simulated_study.h"

using namespace sublab;

TEST_CASE("what document and seed draw together is counted once, not twice", "[unit]") {
  RandomSequence random(21, "together");
  constexpr int kStudies = 500;
  for (const int seeds : {2, 3, 5}) {
    int covered = 0, found = 0;
    for (int i = 0; i < kStudies; ++i) {
      const Comparison c = simulated_comparison(random, seeds, 40, 0, {0, 0.02, 0.3});
      covered += c.difference.interval.value().contains(0);
      found += c.p_value.value() < 0.05;
    }
    INFO(seeds << " seeds: " << covered << " covered, " << found << " found of " << kStudies);
    CHECK(covered >= 0.93 * kStudies);
    CHECK(covered <= 0.98 * kStudies);
    CHECK(found >= 0.02 * kStudies);
  }
}

TEST_CASE("the smallest detectable difference is found 8 times in 10, with two seeds too",
          "[unit]") {
  RandomSequence random(22, "power");
  constexpr int kStudies = 400;
  const Spread spread{0.1, 0.1, 0.1};
  for (const int seeds : {1, 2, 3, 5}) {
    double detectable = 0;
    for (int i = 0; i < kStudies; ++i)
      detectable +=
          simulated_comparison(random, seeds, 40, 0, spread).smallest_detectable.value() / kStudies;
    int found = 0;
    for (int i = 0; i < kStudies; ++i) {
      // One seed speaks of these checkpoints: what the seed drew is no part of the error.
      const Spread drawn{seeds == 1 ? 0 : spread.seed, spread.document, spread.together};
      found += simulated_comparison(random, seeds, 40, detectable, drawn).p_value.value() < 0.05;
    }
    INFO(seeds << " seeds: " << found << " of " << kStudies);
    CHECK(found >= 0.74 * kStudies);
    CHECK(found <= 0.87 * kStudies);
  }
}

TEST_CASE("what would settle a difference is what varies, or both", "[unit]") {
  Comparison c;
  c.possible = true, c.n_seeds = 3, c.n_tokens = 1e6;
  c.difference.clusters = 50;
  const auto with = [&](double seed, double document, double seen) {
    c.seed_error = seed, c.document_error = document, c.difference.value = seen;
    c.smallest_detectable = 1;
    return c.to_settle();
  };
  CHECK(with(0.1, 0, 0.2).ends_with("more seeds"));
  // Seeds alone would do as well, but 20 % more text is less than nine seeds.
  CHECK(with(0.01, 0.1, 0.27).ends_with("more tokens of text"));
  // Either part alone is larger than the difference, so neither alone is enough.
  const std::string both = with(0.1, 0.1, 0.2);
  CHECK(both.find("more seeds and ") != std::string::npos);
  CHECK(both.ends_with("more tokens of text"));
  CHECK(with(1, 1, 1e-4) == "more than 100 seeds and 1.00 G tokens");
  c.unit = DifferenceUnit::bits_per_byte;
  CHECK(with(1, 1, 1e-4).ends_with(" bytes"));
}

TEST_CASE("a t test's power has its closed values", "[unit]") {
  // Noncentralities of power 0.8 at level 0.05, two-sided.
  CHECK(student_detectable(1) == Approx(16.33).epsilon(0.01));
  CHECK(student_detectable(2) == Approx(5.654).epsilon(0.005));
  CHECK(student_detectable(1000) == Approx(2.80).epsilon(0.005));
  CHECK(student_error_bias(1) == Approx(std::sqrt(2 / 3.14159265358979)));
  CHECK(student_error_bias(2) == Approx(std::sqrt(3.14159265358979) / 2));
}

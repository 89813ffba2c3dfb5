// Estimators against closed forms.
#include "analysis/statistics/statistics.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "tests/analysis/simulation.h"

using namespace sublab;

namespace {

/// Documents whose tokens share a level: what makes an interval over tokens far too narrow.
std::vector<DocumentSum> documents(RandomSequence& random, int n, double mean, double spread) {
  std::vector<DocumentSum> out;
  for (int d = 0; d < n; ++d) {
    const double tokens = std::floor(20 * std::exp(0.8 * normal(random))) + 5;
    const double level = mean + spread * normal(random);
    double loss = 0;
    for (int t = 0; t < static_cast<int>(tokens); ++t) loss += level + 0.5 * normal(random);
    out.push_back({loss, tokens});
  }
  return out;
}

}  // namespace

TEST_CASE("Student's t agrees with the printed tables", "[unit]") {
  CHECK(student_quantile(0.975, 1) == Approx(12.7062).epsilon(1e-4));
  CHECK(student_quantile(0.975, 2) == Approx(4.30265).epsilon(1e-5));
  CHECK(student_quantile(0.975, 10) == Approx(2.22814).epsilon(1e-5));
  CHECK(student_quantile(0.95, 30) == Approx(1.69726).epsilon(1e-5));
  CHECK(student_cdf(0, 5) == Approx(0.5));
  CHECK(student_p_value(2.22814, 10) == Approx(0.05).epsilon(1e-4));
}

TEST_CASE("95 % intervals over documents cover 95 %", "[unit]") {
  RandomSequence random(1, "coverage");
  constexpr int kStudies = 400;
  int covered = 0, difference_covered = 0;
  for (int i = 0; i < kStudies; ++i) {
    const auto a = documents(random, 80, 3.0, 0.4);
    covered += mean_loss(a, i).interval.value().contains(3.0);
    auto b = a;  // the same documents under another model: 0.02 better, with a document-wise change
    for (DocumentSum& document : b)
      document.loss += document.tokens * (-0.02 + 0.1 * normal(random));
    difference_covered += mean_loss(differences(b, a), i).interval.value().contains(-0.02);
  }
  INFO(covered << " and " << difference_covered << " of " << kStudies);
  CHECK(covered >= 0.92 * kStudies);
  CHECK(covered <= 0.98 * kStudies);
  CHECK(difference_covered >= 0.92 * kStudies);
  CHECK(difference_covered <= 0.98 * kStudies);
}

TEST_CASE("the sign-flip test keeps its level and has power", "[unit]") {
  RandomSequence random(2, "level");
  constexpr int kStudies = 200;
  int false_alarms = 0, found = 0;
  for (int i = 0; i < kStudies; ++i) {
    const auto a = documents(random, 60, 3.0, 0.4);
    auto same = a, better = a;
    for (size_t d = 0; d < a.size(); ++d) {
      const double noise = 0.1 * normal(random);
      same[d].loss += a[d].tokens * noise;
      better[d].loss += a[d].tokens * (noise - 0.08);
    }
    false_alarms += sign_flip_p_value(differences(same, a), i) < 0.05;
    found += sign_flip_p_value(differences(better, a), i) < 0.05;
  }
  CHECK(false_alarms <= 0.09 * kStudies);
  CHECK(found >= 0.9 * kStudies);
}

TEST_CASE("seeds give a t interval", "[unit]") {
  const Estimate estimate = mean_over_seeds({1.0, 2.0, 3.0});
  CHECK(estimate.value == Approx(2));
  CHECK(estimate.interval->high - 2 == Approx(4.30265 / std::sqrt(3.0)).epsilon(1e-4));
}

TEST_CASE("Holm's correction and Wilson's interval give the textbook values", "[unit]") {
  const auto adjusted = holm({0.01, 0.04, 0.03, 0.005});
  CHECK(adjusted[0] == Approx(0.03));
  CHECK(adjusted[1] == Approx(0.06));
  CHECK(adjusted[2] == Approx(0.06));
  CHECK(adjusted[3] == Approx(0.02));
  const Estimate p = proportion(81, 263);  // Newcombe 1998, his first example
  CHECK(p.interval->low == Approx(0.2553).epsilon(1e-3));
  CHECK(p.interval->high == Approx(0.3662).epsilon(1e-3));
}

TEST_CASE("speed ratios cover the true ratio and call noise noise", "[unit]") {
  RandomSequence random(4, "speed");
  constexpr int kStudies = 400;
  int covered = 0;
  for (int i = 0; i < kStudies; ++i) {
    std::vector<double> a, b;
    for (int r = 0; r < 9; ++r) {
      const double drift =
          std::exp(0.3 * normal(random));  // the machine wanders; a pair sees it alike
      a.push_back(1.3 * drift * std::exp(0.05 * normal(random)));
      b.push_back(drift * std::exp(0.05 * normal(random)));
    }
    covered += speed_ratio(a, b).interval.value().contains(1.3);
  }
  CHECK(covered >= 0.93 * kStudies);
  const auto ratio = [](double value, double low, double high) {
    return Estimate{value, Interval{low, high}, 9, ""};
  };
  const Estimate tight = ratio(1, 0.98, 1.02), wide = ratio(1, 0.7, 1.4);
  CHECK(speed_verdict(ratio(1.3, 1.25, 1.35), tight).verdict == "faster");
  CHECK(speed_verdict(ratio(0.8, 0.75, 0.85), tight).verdict == "slower");
  CHECK(speed_verdict(ratio(1.0, 0.99, 1.01), tight).verdict == "same");
  CHECK(speed_verdict(ratio(1.0, 0.99, 1.01), tight).reason.empty());
  CHECK(speed_verdict(ratio(1.01, 0.95, 1.1), tight).reason.find("reaches into") !=
        std::string::npos);
  CHECK(speed_verdict(ratio(1.3, 1.25, 1.35), wide).reason.find("varies by as much") !=
        std::string::npos);
  CHECK(speed_verdict(speed_ratio({2, 2, 2}, {1, 1, 1}), tight).reason.find("too few") !=
        std::string::npos);
}

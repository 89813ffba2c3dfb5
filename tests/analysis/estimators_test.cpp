// Coverage, level and power by simulation, on losses that are autocorrelated within documents.
#include <catch2/catch.hpp>
#include <cmath>

#include "analysis/statistics/statistics.h"
#include "analysis/study/compare.h"
#include "analysis/study/context_cost.h"
#include "analysis/study/scaling.h"
#include "tests/analysis/simulation.h"

using namespace sublab;

namespace {

/// Documents of very unequal length whose token losses follow each other (AR(1), 0.9) around a
/// level of the document.
std::vector<DocumentSum> documents(RandomSequence& random, int n, double mean) {
  std::vector<DocumentSum> out;
  for (int d = 0; d < n; ++d) {
    const int tokens = 5 + static_cast<int>(20 * std::exp(0.8 * normal(random)));
    const double level = mean + 0.3 * normal(random);
    double loss = 0, state = normal(random);
    for (int t = 0; t < tokens; ++t) {
      state = 0.9 * state + std::sqrt(1 - 0.81) * normal(random);
      loss += level + 0.5 * state;
    }
    out.push_back({loss, static_cast<double>(tokens)});
  }
  return out;
}

/// Differences of `seeds` seeds on the same documents: what the seed, the document, and both draw.
std::vector<std::vector<DocumentSum>> crossed(RandomSequence& random, int seeds, int n, double mean,
                                              double seed_spread, double document_spread) {
  std::vector<double> tokens, document;
  for (int d = 0; d < n; ++d) {
    tokens.push_back(5 + std::floor(20 * std::exp(0.8 * normal(random))));
    document.push_back(document_spread * normal(random));
  }
  std::vector<std::vector<DocumentSum>> out(seeds);
  for (auto& sums : out) {
    const double seed = seed_spread * normal(random);
    for (int d = 0; d < n; ++d)
      sums.push_back({tokens[d] * (mean + seed + document[d] + 0.05 * normal(random)), tokens[d]});
  }
  return out;
}

bool between(int hits, int studies, double low, double high) {
  const double share = static_cast<double>(hits) / studies;
  INFO(hits << " of " << studies);
  CHECK(share >= low);
  CHECK(share <= high);
  return true;
}

}  // namespace

TEST_CASE("intervals over documents cover 95 % on autocorrelated losses", "[unit]") {
  RandomSequence random(11, "autocorrelated");
  constexpr int kStudies = 600;
  int one = 0, paired = 0, given = 0;
  for (int i = 0; given < kStudies; ++i) {
    const auto a = documents(random, 60, 3.0);
    if (!mean_loss(a, i).interval) continue;  // fewer than 20 effective documents
    ++given;
    one += mean_loss(a, i).interval.value().contains(3.0);
    auto b = a;
    for (DocumentSum& document : b)
      document.loss += document.tokens * (0.1 * normal(random) - 0.02);
    paired += mean_loss(differences(b, a), i).interval.value().contains(-0.02);
  }
  between(one, kStudies, 0.93, 0.97);
  between(paired, kStudies, 0.93, 0.97);
}

TEST_CASE("intervals over seeds and documents cover whatever dominates", "[unit]") {
  RandomSequence random(12, "crossed");
  constexpr int kStudies = 500;
  // Shares of about 95 % where one dominates; up to 98 % where both weigh alike (MOVER).
  for (const auto& [seeds, seed_spread, document_spread, high] :
       {std::tuple{3, 0.1, 0.05, 0.97}, std::tuple{3, 0.0, 0.5, 0.975},
        std::tuple{3, 0.1, 0.5, 0.985}, std::tuple{5, 0.1, 0.05, 0.97},
        std::tuple{5, 0.06, 0.5, 0.98}}) {
    int covered = 0, false_alarms = 0, given = 0;
    while (given < kStudies) {
      const auto per_seed = crossed(random, seeds, 40, 0.0, seed_spread, document_spread);
      const Estimate estimate = mean_over_seeds_and_documents(per_seed);
      if (!estimate.interval) continue;  // fewer than 20 effective documents
      ++given;
      covered += estimate.interval.value().contains(0);
      false_alarms += !estimate.interval.value().contains(0);
    }
    INFO(seeds << " seeds, " << seed_spread << " against " << document_spread);
    between(covered, kStudies, 0.925, high);
    CHECK(false_alarms <= 0.075 * kStudies);
  }
}

TEST_CASE("the p-value over seeds and documents is the interval inverted", "[unit]") {
  const double t = student_quantile(0.975, 2);
  CHECK(seeds_and_documents_p_value(0.1 * t, 0.1, 3, 0, 50) == Approx(0.05).epsilon(1e-6));
  CHECK(seeds_and_documents_p_value(-0.1 * student_quantile(0.975, 49), 0, 3, 0.1, 50) ==
        Approx(0.05).epsilon(1e-6));
  const double both = std::hypot(0.1 * t, 0.2 * student_quantile(0.975, 49));
  CHECK(seeds_and_documents_p_value(both, 0.1, 3, 0.2, 50) == Approx(0.05).epsilon(1e-6));
  CHECK(seeds_and_documents_p_value(0, 0.1, 3, 0.2, 50) == Approx(1));
  CHECK(seeds_and_documents_p_value(1e6, 0.1, 3, 0.2, 50) < 1e-6);
}

TEST_CASE("corrections of p-values give the textbook values", "[unit]") {
  const auto q = benjamini_hochberg({0.01, 0.04, 0.03, 0.005});
  CHECK(q[0] == Approx(0.02));
  CHECK(q[1] == Approx(0.04));
  CHECK(q[2] == Approx(0.04));
  CHECK(q[3] == Approx(0.02));
  RandomSequence random(13, "families");
  constexpr int kStudies = 2000;
  int any_holm = 0, any_raw = 0;
  for (int i = 0; i < kStudies; ++i) {
    std::vector<double> p(10);
    for (double& value : p) value = random.uniform();
    const auto adjusted = holm(p);
    any_holm += *std::min_element(adjusted.begin(), adjusted.end()) < 0.05;
    any_raw += *std::min_element(p.begin(), p.end()) < 0.05;
  }
  CHECK(any_holm <= 0.065 * kStudies);
  CHECK(any_raw >= 0.35 * kStudies);
}

TEST_CASE("empty and failed answers count as wrong", "[unit]") {
  const Estimate one = accuracy({{80, 0, 10, 10}});
  CHECK(one.value == Approx(0.8));
  CHECK(one.interval->low == Approx(proportion(80, 100).interval->low));
  const Estimate more = accuracy({{8, 2, 0, 0}, {6, 2, 1, 1}, {10, 0, 0, 0}});
  CHECK(more.value == Approx(0.8));
  CHECK(more.interval->low < proportion(24, 30).interval->low);
  CHECK(more.interval->high <= 1);
  CHECK(accuracy({}).clusters == 0);
}

TEST_CASE("worth in compute is found, with an interval that covers", "[unit]") {
  std::vector<LadderPoint> llama, same_twice;
  for (const double flops : {1e9, 4e9, 1.6e10, 6.4e10}) {
    llama.push_back({flops, 5 * std::pow(flops, -0.05)});
    same_twice.push_back({flops, 5 * std::pow(2 * flops, -0.05)});
  }
  const ComputeWorth exact = compute_worth(same_twice, llama);
  REQUIRE(exact.possible);
  CHECK(exact.times.value == Approx(2));
  CHECK(exact.exponent == Approx(0.05));
  CHECK(exact.times_at_largest == Approx(2));
  RandomSequence random(14, "ladder");
  constexpr int kStudies = 600;
  int covered = 0, not_parallel = 0;
  for (int i = 0; i < kStudies; ++i) {
    std::vector<LadderPoint> a, b;
    for (int seed = 0; seed < 3; ++seed)
      for (size_t s = 0; s < llama.size(); ++s) {
        a.push_back({llama[s].flops, llama[s].loss * std::exp(0.01 * normal(random))});
        b.push_back({same_twice[s].flops, same_twice[s].loss * std::exp(0.01 * normal(random))});
      }
    const ComputeWorth worth = compute_worth(b, a);
    covered += worth.times.interval.value().contains(2);
    not_parallel += worth.parallel_p_value.value() < 0.05;
  }
  between(covered, kStudies, 0.93, 0.97);
  between(not_parallel, kStudies, 0.025, 0.075);
}

TEST_CASE("a ladder that cannot speak says why", "[unit]") {
  const std::vector<LadderPoint> two = {{1e9, 3}, {2e9, 2.9}},
                                 three = {{1e9, 3}, {2e9, 2.9}, {4e9, 2.8}},
                                 far = {{1e12, 3}, {2e12, 2.9}, {4e12, 2.8}},
                                 flat = {{1e9, 3}, {2e9, 3.1}, {4e9, 3}};
  CHECK(compute_worth(two, three).reason == "fewer than three sizes ended well");
  CHECK(compute_worth(far, three).reason == "the ladders share no range of training FLOPs");
  CHECK(compute_worth({}, three).reason == "no trial of the ladder ended well");
  CHECK_FALSE(compute_worth(flat, flat).times.interval);
}

TEST_CASE("costs of contexts follow their closed forms", "[unit]") {
  const auto prompt = fit_context_model({{2000, 2.0 + 0.04}, {20000, 20 + 4}}, false);
  REQUIRE(prompt);
  CHECK(prompt->low == Approx(1e-3));
  CHECK(prompt->high == Approx(1e-8));
  CHECK(prompt->at(200000) == Approx(200 + 400));
  const auto step = fit_context_model({{2000, 1.2}, {20000, 3}, {40000, 5}}, true);
  CHECK(step->at(200000) == Approx(21));
  CHECK_FALSE(fit_context_model({{2000, 1}, {2000, 1.1}}, true));
  // Faster than linear growth by noise alone: no negative square.
  CHECK(fit_context_model({{2000, 2.1}, {20000, 20}}, false)->high == 0);
  // Ratios of a 1.3B model, N = 1.214e9, 24 layers of 2048, and the fit to the talk's two numbers.
  const double x = 1.214e9 / (24 * 2048);
  CHECK(prompt_flops_ratio(200000, 20000, x) == Approx(50).epsilon(0.01));
  CHECK(prompt_flops_ratio(200000, 2000, x) == Approx(841).epsilon(0.01));
  const auto fixed = solve_fixed_part(2000, 20000, 200000, 28, 112);
  REQUIRE(fixed);
  CHECK(fixed->fixed_tokens == Approx(6360).epsilon(0.001));
  CHECK(fixed->x == Approx(54200).epsilon(0.001));
  CHECK_FALSE(solve_fixed_part(2000, 20000, 200000, 50, 841 * 3));
  const ContextModel p{1e-3, 1e-8, false}, s{1, 1e-4, true};
  const auto request = solve_request(p, s, 2000, 20000, 200000, 22);
  REQUIRE(request);
  CHECK((p.at(2e5) + request->answer_tokens * s.at(2e5)) /
            (p.at(2e4) + request->answer_tokens * s.at(2e4)) ==
        Approx(22));
  CHECK_FALSE(solve_request(p, s, 2000, 20000, 200000, 200));
}

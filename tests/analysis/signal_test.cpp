// What a task tells, from layouts whose answer is known.
#include "analysis/study/signal.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "analysis/statistics/student.h"
#include "analysis/study/slots.h"
#include "core/random.h"

using namespace sublab;

TEST_CASE("Fisher's F has the p-values of its tables", "[unit][context]") {
  // Critical values at 0.05 and 0.01 of any table of the distribution.
  CHECK(fisher_p_value(4.9646, 1, 10) == Approx(0.05).epsilon(1e-4));
  CHECK(fisher_p_value(3.8853, 2, 12) == Approx(0.05).epsilon(1e-4));
  CHECK(fisher_p_value(5.6683, 4, 11) == Approx(0.01).epsilon(1e-4));
  CHECK(fisher_p_value(0, 3, 5) == Approx(1));
  // One degree above is the square of Student's t.
  CHECK(fisher_p_value(2.5 * 2.5, 1, 7) == Approx(student_p_value(2.5, 7)).epsilon(1e-9));
}

TEST_CASE("a seed's effect on all variants is no noise", "[unit][context]") {
  const Signal signal = signal_of({{1, 5, 9}, {2, 6, 10}});
  CHECK(signal.between == Approx(std::sqrt(0.5)));
  CHECK(signal.noise == Approx(0).margin(1e-12));
  CHECK(signal.p < 1e-9);
  // Means 0 and 5, errors of +-1: MS variants 37.5, MS error 2 (2 degrees).
  const Signal noisy = signal_of({{1, -1, 0}, {4, 6, 5}});
  CHECK(noisy.between == Approx(std::sqrt(12.5)));
  CHECK(noisy.noise == Approx(std::sqrt(2.0 / 3)));
  CHECK(noisy.p == Approx(student_p_value(std::sqrt(18.75), 2)).epsilon(1e-9));
  CHECK(noisy.ratio() == Approx(std::sqrt(12.5 - 2.0 / 3) / std::sqrt(2.0 / 3)));
}

TEST_CASE("without differences the test errs as often as its level says", "[unit][context]") {
  RandomSequence random(17);
  constexpr int kTrials = 2000;
  int found = 0;
  for (int i = 0; i < kTrials; ++i) {
    std::vector<std::vector<double>> values(4, std::vector<double>(3));
    for (auto& row : values)
      for (double& value : row) {
        value = -6;  // the sum of twelve uniform numbers is all but normal
        for (int k = 0; k < 12; ++k) value += random.uniform();
      }
    found += signal_of(values).p < 0.05;
  }
  CHECK(found > kTrials * 0.035);
  CHECK(found < kTrials * 0.065);
}

TEST_CASE("a record with one metric of a name has it where others have several", "[unit]") {
  const auto reached = [](int64_t level, double value) {
    Metric metric;
    metric.name = "recall_by_reached_accuracy";
    metric.value = value;
    metric.conditions = {{"reached", level}, {"n", 40.0 + level}};
    metric.evaluation = "e";
    return metric;
  };
  Record whole, kept;
  whole.metrics = {reached(0, 1)};
  kept.metrics = {reached(0, 0.5), reached(1, 0.75)};
  const EvaluationOf of = [](const Record&) { return std::string("e"); };
  for (const auto& records :
       std::vector<std::vector<const Record*>>{{&whole, &kept}, {&kept, &whole}}) {
    const std::vector<Slot> slots = slots_of(records, of);
    REQUIRE(slots.size() == 2);
    CHECK(slots[0].of(whole, "e")->value == 1);
    CHECK(slots[0].of(kept, "e")->value == 0.5);
    CHECK(slots[1].of(whole, "e") == nullptr);
    CHECK(slots[1].of(kept, "e")->value == 0.75);
  }
  const Slot unaware = slots_of({&whole}, of).at(0);
  CHECK(unaware.of(whole, "e")->value == 1);
  CHECK(unaware.of(kept, "e") == nullptr);
}

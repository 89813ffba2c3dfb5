// Sweeps of the retention: what belongs to one, and where its knee is.
#include "analysis/study/retention_sweep.h"

#include <catch2/catch.hpp>

#include "tests/analysis/small_study.h"

using namespace sublab;
using Catch::Contains;

namespace {

/// One variant per retention, with a loss per seed.
struct Sweep {
  StudyData data;

  void add(const std::string& name, double retention, const std::vector<double>& losses,
           double d_model = 64) {
    VariantData variant;
    variant.name = name;
    for (size_t s = 0; s < losses.size(); ++s) {
      Record record;
      record.id = name + std::to_string(s);
      record.variant = name;
      record.seed = static_cast<int64_t>(s);
      record.config = {{"model", {{"retention", retention}, {"d_model", d_model}}}};
      RecordedEvaluation evaluation;
      evaluation.id = "e", evaluation.task = "perplexity";
      record.evaluations = {evaluation};
      record.metrics = {{"loss_nats", losses[s], json::object(), "", "e"}};
      variant.records.push_back(record);
    }
    data.variants.push_back(variant);
  }
};

}  // namespace

TEST_CASE("a sweep of the retention has its knee furthest below the chord", "[unit]") {
  Sweep study;
  study.add("subllm/retention=1", 1, {2.0, 2.02});
  study.add("subllm/retention=0.5", 0.5, {2.05, 2.06});
  study.add("subllm/retention=0.25", 0.25, {2.5, 2.6});
  study.add("subllm/retention=0.75", 0.75, {2.02, 2.03});
  study.add("wide", 0.3, {1.9, 1.9}, 128);  // another width is another sweep, too short to be one
  const auto sweeps = retention_sweeps(study.data);
  REQUIRE(sweeps.size() == 1);
  const RetentionSweep& sweep = sweeps[0];
  CHECK(sweep.name == "subllm");
  CHECK(sweep.retentions == std::vector<double>{0.25, 0.5, 0.75, 1});
  CHECK(sweep.n_seeds == 2);
  CHECK(sweep.losses[1] == Approx(2.055));
  REQUIRE(sweep.knee.retention);
  CHECK(*sweep.knee.retention == 0.5);
  CHECK(sweep.knee.low == 0.5);
  CHECK(sweep.knee.high == 0.5);
  // Scaled: the chord falls from 1 to 0, so a third of the way it stands at 2/3.
  CHECK(sweep.below_chord[1] == Approx(2.0 / 3 - (2.055 - 2.01) / 0.54));
}

TEST_CASE("where seeds put the knee anywhere, or the curve does not bend, there is none",
          "[unit]") {
  Sweep apart;
  apart.add("a", 0.25, {2.5, 2.5});
  apart.add("b", 0.5, {2.05, 2.4});
  apart.add("c", 0.75, {2.04, 2.05});
  apart.add("d", 1, {2.0, 2.0});
  const Knee knee = retention_sweeps(apart.data).at(0).knee;
  CHECK_FALSE(knee.retention);
  CHECK_THAT(knee.no_knee, Contains("0.5 to 0.75, the whole range"));
  Sweep straight;
  straight.add("a", 0.25, {2.75});
  straight.add("b", 0.5, {2.6});
  straight.add("c", 0.75, {2.3});
  straight.add("d", 1, {2.0});
  CHECK_THAT(retention_sweeps(straight.data).at(0).knee.no_knee, Contains("does not rise faster"));
  Sweep few;
  few.add("a", 0.25, {2.5});
  few.add("b", 0.5, {2.05});
  few.add("c", 1, {2.0});
  CHECK_THAT(retention_sweeps(few.data).at(0).knee.no_knee, Contains("fewer than four"));
}

// Results shortly before the end of training: asked, kept, and without effect on the training.
#include <catch2/catch.hpp>
#include <cmath>

#include "core/npz.h"
#include "core/schema/arrays.h"
#include "core/schema/metrics.h"
#include "experiments/plan/make_plan.h"
#include "experiments/plan/resolve_study.h"
#include "experiments/run/trial.h"
#include "tests/temporary_folder.h"

using namespace sublab;
using Catch::Contains;

namespace {

/// A trial of 50 steps on recall, whose one entry of `evaluate` is `entry`.
struct Trained {
  explicit Trained(const json& entry, const json& model = {{"architecture", "llama"}},
                   const json& train = json::object()) {
    json study = {{"study", "s"},
                  {"question", "?"},
                  {"base",
                   {{"model", {{"d_model", 16}, {"n_layers", 2}, {"n_heads", 1}}},
                    {"data", {{"train_on", "recall"}, {"context_len", 32}}},
                    {"train", {{"tokens", 3200}, {"batch_tokens", 64}, {"learning_rate", 0.03}}},
                    {"evaluate", json::array({entry})}}},
                  {"variants", {{"one", json::object()}}},
                  {"compare_to", "one"}};
    study["base"]["model"].merge_patch(model);
    study["base"]["train"].merge_patch(train);
    write_file_durably(place.path / "s.json", study.dump());
    const Catalog catalog = built_in_catalog();
    const Plan plan =
        make_plan(resolve_study(read_study(place.path / "s.json", {}, 1), catalog), 1, {}, catalog);
    record = run_planned_trial(order_of(plan, plan.trials.at(0)), place.path, catalog, {});
  }

  std::vector<double> array(const std::string& member) const {
    return NpzFile(arrays_path(place.path, record.id)).read(member).as_doubles();
  }

  TemporaryFolder place;
  Record record;
};

const json kAsked = {{"task", "recall"}, {"n_rows", 512}, {"last_points", 4}};
const json kPlain = {{"task", "recall"}, {"n_rows", 512}};

}  // namespace

TEST_CASE("the spread over the last points is that of what they gave", "[unit][context]") {
  const Trained trained(kAsked);
  REQUIRE(trained.record.outcome == "ok");
  const std::string id = trained.record.evaluations.at(0).id;
  const auto points = trained.array(id + "/" + array::kLastPoints);
  REQUIRE(points.size() == 6);  // tokens and accuracy, three times
  for (size_t i = 0; i < 3; ++i) CHECK(points[2 * i] == 64.0 * (47 + static_cast<double>(i)));
  const Metric* end = trained.record.find_headline("recall_accuracy");
  const Metric* spread = trained.record.find_headline(metric::kLastPointsSpread);
  REQUIRE((end && spread));
  const double values[] = {points[1], points[3], points[5], *end->value};
  double mean = 0, squares = 0;
  for (const double value : values) mean += value / 4;
  for (const double value : values) squares += (value - mean) * (value - mean);
  CHECK(*spread->value == Approx(std::sqrt(squares / 3)));
  CHECK(*spread->value > 0);
  CHECK(spread->conditions.at(condition::kSpreadOf) == "recall_accuracy");
  CHECK(spread->conditions.at(condition::kPoints) == 4);
}

TEST_CASE("asking at earlier points changes nothing of the training", "[unit][context]") {
  // norm has thresholds that are fitted for each point, and must be put back behind it.
  for (const json& model :
       {json{{"architecture", "llama"}}, json{{"architecture", "subllm"},
                                              {"structure", "T(T)"},
                                              {"scorer", "norm"},
                                              {"train_selector", "threshold"}}}) {
    INFO(model.dump());
    const Trained with(kAsked, model), without(kPlain, model);
    REQUIRE(with.record.outcome == "ok");
    CHECK(with.record.provenance.at("weights_hash") ==
          without.record.provenance.at("weights_hash"));
    CHECK(with.array(array::kLossCurve) == without.array(array::kLossCurve));
    CHECK(with.record.evaluations.at(0).id == without.record.evaluations.at(0).id);
    CHECK(*with.record.find_headline("recall_accuracy")->value ==
          *without.record.find_headline("recall_accuracy")->value);
    CHECK_FALSE(without.record.find_headline(metric::kLastPointsSpread));
  }
}

TEST_CASE("last points that say nothing are refused", "[unit][context]") {
  json one = kAsked;
  one["last_points"] = 1;
  CHECK_THROWS_WITH(Trained(one), Contains("/evaluate/0/last_points") && Contains("2"));
  CHECK_THROWS_WITH(Trained(kAsked, {{"architecture", "llama"}}, {{"dtype", "bfloat16"}}),
                    Contains("/evaluate/0/last_points") && Contains("bfloat16"));
}

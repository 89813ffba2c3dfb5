// Figures hold the numbers of their records.
#include "analysis/figures/figures.h"

#include <catch2/catch.hpp>

#include "tests/analysis/small_study.h"

using namespace sublab;
using Kind = FigureSeries::Kind;

namespace {

/// The figure of this id, or one without series.
Figure figure_of(const StudyData& data, const std::string& id) {
  Report report;
  add_figures(data, report);
  for (const Figure& figure : report.figures)
    if (figure.id == id) return figure;
  return {};
}

BenchSeries bench_series(const std::string& variant, double seconds, double ideal) {
  BenchSeries out;
  out.variant = variant;
  out.tokens_per_round = 100;
  out.seconds = std::vector<double>(9, seconds);
  out.ideal_speedup = ideal;
  return out;
}

void add_bench(SmallStudy& study) {
  study.data.bench.emplace();
  study.data.bench->compare_to = "llama";
  study.data.bench->measurements = {
      {"decode",
       64,
       2,
       "float32",
       {bench_series("llama", 2, 1), bench_series(SmallStudy::kOddName, 1, 4)}}};
}

}  // namespace

TEST_CASE("curves are means over seeds with a band from the lowest to the highest", "[unit]") {
  SmallStudy study;
  const Figure figure = figure_of(study.data, "loss_curves");
  REQUIRE(figure.series.size() == 2);
  CHECK(figure.series[0].x == std::vector<double>{10, 20});
  CHECK(figure.series[0].y[1] == Approx(2.3));
  CHECK(figure.series[0].y_low[1] == 2.2);
  CHECK(figure.series[0].y_high[1] == 2.4);
  CHECK(figure.series[1].style == 1);
  CHECK(figure.caption.find("of 2 seeds") != std::string::npos);

  study.record(0, 1).outcome = "diverged";  // its curve counts no more, and one seed has no band
  const Figure one = figure_of(study.data, "loss_curves");
  CHECK(one.series[0].y[1] == 2.2);
  CHECK(one.series[0].y_low.empty());
  CHECK(one.series[1].y_low.size() == 2);
}

TEST_CASE("the front is what no point beats in both", "[unit]") {
  // On the hyperbola cost * loss = 12 nothing is beaten; a step off it everything is.
  std::vector<double> cost, loss;
  for (const double c : {6.0, 1.0, 3.0, 2.0, 4.0}) {
    cost.push_back(c);
    loss.push_back(12 / c);
    cost.push_back(c * 1.1);
    loss.push_back(12 / c * 1.1);
  }
  CHECK(pareto_front(cost, loss, false) == std::vector<size_t>{2, 6, 4, 8, 0});
  for (double& value : loss) value = -value;
  CHECK(pareto_front(cost, loss, true) == std::vector<size_t>{2, 6, 4, 8, 0});
  CHECK(pareto_front({1, 1, 1, 2}, {5, 4, 4, 4}, false) == std::vector<size_t>{1, 2});
  CHECK(pareto_front({}, {}, false).empty());
}

TEST_CASE("quality stands against every cost that is known and differs", "[unit]") {
  SmallStudy study;
  const Figure figure = figure_of(study.data, "loss_against_train_flops");
  REQUIRE(figure.series.size() == 3);
  CHECK(figure.series[0].x == std::vector<double>{100'000});
  CHECK(figure.series[0].y[0] == Approx(2.3));
  CHECK(figure.series[0].y_low[0] == 2.2);
  CHECK(figure.series[1].labels == std::vector<std::string>{SmallStudy::kOddName});
  CHECK(figure.series[2].kind == Kind::guide);
  CHECK(figure.series[2].x == std::vector<double>{50'000, 100'000, 100'000});
  CHECK(figure.series[2].y[1] == figure.series[2].y[0]);
  CHECK(figure_of(study.data, "loss_against_train_seconds").id.empty());
  CHECK(figure_of(study.data, "loss_against_train_memory").id.empty());
  study.record(0, 0).times["train_seconds"] = 3.0;
  study.record(1, 0).times["train_seconds"] = 2.0;
  study.record(1, 1).times["train_seconds"] = 0.0;  // weights that were there before
  CHECK(figure_of(study.data, "loss_against_train_seconds").series.at(1).x[0] == 2);

  for (VariantData& variant : study.data.variants)
    for (Record& record : variant.records) record.metrics[0].name = "recall_accuracy";
  const Figure accuracy = figure_of(study.data, "recall_accuracy_against_train_flops");
  REQUIRE(accuracy.series.size() == 3);
  CHECK(accuracy.series[2].x == std::vector<double>{50'000});  // cheaper, and more is better
}

TEST_CASE("quality stands against measured time and memory, mode by mode", "[unit]") {
  SmallStudy study;
  CHECK(figure_of(study.data, "loss_against_prefill_token").id.empty());
  BenchFile& bench = study.data.bench.emplace();
  bench.compare_to = "llama";
  for (const int64_t context : {64, 256}) {
    BenchMeasurement& measured = bench.measurements.emplace_back();
    measured.mode = "prefill";
    measured.context = context;
    measured.batch = 1;
    for (const auto& [variant, seconds] :
         {std::pair<std::string, double>{"llama", 2.0}, {SmallStudy::kOddName, 1.0}}) {
      BenchSeries& series = measured.series.emplace_back();
      series.variant = variant;
      series.tokens_per_round = static_cast<double>(context);
      series.seconds = {seconds, seconds, 9 * seconds};
      series.peak_memory_bytes = 100 * seconds;
    }
  }
  const Figure time = figure_of(study.data, "loss_against_prefill_token");
  REQUIRE(time.series.size() == 3);
  CHECK(time.series[0].x[0] == Approx(2e6 / 256));  // at the longest context
  CHECK(time.series[2].x == std::vector<double>{1e6 / 256, 2e6 / 256, 2e6 / 256});
  CHECK_THAT(time.x.label, Catch::Contains("microseconds per token (context 256, batch 1)"));
  CHECK(figure_of(study.data, "loss_against_prefill_memory").series.at(1).x[0] == 100);
}

TEST_CASE("positions stand at the middle of their buckets", "[unit]") {
  SmallStudy study;
  for (size_t seed : {0, 1}) {
    const double loss = 10 + 10 * static_cast<double>(seed);
    study.add_array(1, seed, "positions",
                    npy_array(std::vector<double>{16, loss, 10, 32, 0, 0}, {2, 3}),
                    SmallStudy::kEvaluation);
    study.add_array(1, seed, "kept_by_position",
                    npy_array(std::vector<double>{3, 4, 1, 4, 2, 4, 0, 0}, {2, 2, 2}),
                    SmallStudy::kEvaluation);
  }
  const Figure loss = figure_of(study.data, "loss_by_position");
  REQUIRE(loss.series.size() == 1);
  CHECK(loss.series[0].x == std::vector<double>{8});  // nothing was scored in the second
  CHECK(loss.series[0].y == std::vector<double>{1.5});
  const Figure kept = figure_of(study.data, "kept_by_position_level_1");
  REQUIRE(kept.series.size() == 1);
  CHECK(kept.series[0].x == std::vector<double>{8, 24});
  CHECK(kept.series[0].y == std::vector<double>{0.75, 0.25});
  CHECK(figure_of(study.data, "kept_by_position_level_2").series.at(0).y ==
        std::vector<double>{0.5});
}

TEST_CASE("kept shares over training stand by level, modules of one level apart", "[unit]") {
  SmallStudy study;
  std::vector<double> curve;
  for (const double step : {0.0, 5.0})
    for (const double module : {0.0, 1.0, 2.0})
      curve.insert(curve.end(), {step, module, 0.1 * step + 0.1 * module});
  study.add_array(1, 0, "selection_curve", npy_array(curve, {6, 3}));
  const std::vector<std::string> levels = {"1", "2", "1"};
  for (size_t m = 0; m < 3; ++m)
    study.record(1, 0).metrics.push_back(
        {"score_above_threshold_" + levels[m], 0.5, {{"module", m}}, ""});
  const Figure outer = figure_of(study.data, "kept_over_training_level_1");
  REQUIRE(outer.series.size() == 2);
  CHECK(outer.series[0].name == SmallStudy::kOddName + ", module 0");
  CHECK(outer.series[1].y == std::vector<double>{0.2, 0.7});
  CHECK(outer.series[0].style != outer.series[1].style);
  CHECK(figure_of(study.data, "kept_over_training_level_2").series.at(0).name ==
        SmallStudy::kOddName);
  study.record(1, 0).config["model"]["retention"] = 1.0;
  CHECK(figure_of(study.data, "kept_over_training_level_1").series.empty());
}

TEST_CASE("accuracy maps add up over seeds and leave empty cells empty", "[unit]") {
  SmallStudy study;
  for (size_t seed : {0, 1}) {
    RecordedEvaluation recall;
    recall.id = "recall-1";
    recall.task = "recall";
    study.record(1, seed).evaluations.push_back(recall);
    const std::vector<double> counts = {8,  0.25, 1, 4, 8,  0.75, 4, 4,  //
                                        16, 0.25, 0, 0, 16, 0.75, 0, static_cast<double>(seed)};
    study.add_array(1, seed, "by_length_depth", npy_array(counts, {2, 2, 4}), "recall-1");
  }
  const Figure figure = figure_of(study.data, "recall_by_length_depth_1");
  REQUIRE(figure.heat_map);
  CHECK(figure.heat_map->x_ticks == std::vector<std::string>{"8", "16"});
  CHECK(figure.heat_map->y_ticks == std::vector<std::string>{"0.25", "0.75"});
  using Row = std::vector<std::optional<double>>;
  CHECK(figure.heat_map->rows == std::vector<Row>{{0.25, std::nullopt}, {1.0, 0.0}});
  CHECK(figure.title == "Accuracy of " + SmallStudy::kOddName + " in recall");
}

TEST_CASE("speed stands against the ledger's and the machine's ceilings", "[unit]") {
  SmallStudy study;
  add_bench(study);
  const Figure speed = figure_of(study.data, "speedup_decode");
  REQUIRE(speed.series.size() == 2);
  CHECK(speed.series[0].x == std::vector<double>{4});
  CHECK(speed.series[0].y == std::vector<double>{2});
  CHECK(speed.series[0].style == 1);
  CHECK(speed.series[1].x == std::vector<double>{1, 4});
  CHECK(speed.series[1].y == std::vector<double>{1, 4});

  CHECK(figure_of(study.data, "roofline_64_2").id.empty());  // an older file, without a calibration
  study.data.bench->calibration = {
      {"matmul_256_gflops_per_s", 80}, {"matmul_512_gflops_per_s", 100}, {"read_gb_per_s", 10}};
  CHECK(figure_of(study.data, "roofline_64_2").id.empty());  // and without the ledger
  BenchSeries& own = study.data.bench->measurements[0].series[0];
  own.flops_per_token = 1e6;
  own.bytes_per_token = 5e5;
  const Figure roofline = figure_of(study.data, "roofline_64_2");
  REQUIRE(roofline.series.size() == 3);
  CHECK(roofline.series[0].x == std::vector<double>{2});
  CHECK(roofline.series[0].y == std::vector<double>{5e7});  // 1e6 FLOPs x 50 tokens/s
  CHECK(roofline.series[0].labels == std::vector<std::string>{"decode"});
  CHECK(roofline.series[1].x.back() == 10);  // the ridge: 100 GFLOP/s / 10 GB/s
  CHECK(roofline.series[1].y.back() == 100e9);
  CHECK(roofline.series[1].y.front() == Approx(10e9 * roofline.series[1].x.front()));
}

TEST_CASE("damaged arrays are named", "[unit]") {
  SmallStudy study;
  study.add_array(0, 0, "loss_curve", npy_array(std::vector<double>{1, 2, 3}, {3}));
  CHECK_THROWS_WITH(figure_of(study.data, "loss_curves"),
                    Catch::Contains(".npz: loss_curve: is not an array of 2 axes"));
}

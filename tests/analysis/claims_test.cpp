// Verdicts on claims, from fixtures of known numbers.
#include "analysis/claims/claims.h"

#include <catch2/catch.hpp>

#include "analysis/tables/claims_table.h"
#include "tests/analysis/claims_fixture.h"

using namespace sublab;
using Catch::Contains;

namespace {

std::vector<ClaimLine> lines_of(const ClaimsFixture& fixture, const json& claim) {
  const TemporaryFolder folder;
  fixture.write(folder.path);
  return check_claims(read_study_or_bench(folder.path), {{"paper", {read_claim(claim, "test")}}});
}

/// The verdict of a claim that earns one line.
std::string verdict_of(const json& claim, const ClaimsFixture& fixture) {
  const auto lines = lines_of(fixture, claim);
  REQUIRE(lines.size() == 1);
  return verdict_text(lines[0]);
}

std::string verdict(const json& edits, const ClaimsFixture& fixture = {}) {
  return verdict_of(fixture_claim(edits), fixture);
}

json protocol(const std::string& field, const json& value) {
  return {{"protocol", {{field, value}}}};
}

json accuracy(const json& edits = json::object()) {
  json claim = fixture_claim({{"metric", "mmlu_accuracy"},
                              {"expected", 0.5},
                              {"tolerance", {{"ratio", nullptr}, {"absolute", 0.02}}},
                              {"protocol", {{"batch", nullptr}}},
                              {"scale", {"d_model"}}});
  claim.merge_patch(edits);
  return claim;
}

}  // namespace

TEST_CASE("reproduced: the same protocol, within the tolerance, and a clear effect", "[unit]") {
  const auto lines = lines_of({}, fixture_claim());
  REQUIRE(lines.size() == 1);
  CHECK(verdict_text(lines[0]) == "reproduced");
  CHECK(lines[0].variant == "sub_0.64");
  CHECK(measured_text(lines[0]) == "1.250 [1.250, 1.250]");
  CHECK(lines[0].measured->condition == "train, context 512, batch 1");
  CHECK(protocol_text(lines[0]).empty());
}

TEST_CASE("direction only: scaled, unknown, outside the tolerance, forced keeps", "[unit]") {
  CHECK(verdict(protocol("d_model", 2048)) == "direction only");
  CHECK(verdict(protocol("dtype", "unknown")) == "direction only");
  CHECK(verdict({{"expected", 1.5}}) == "direction only (outside the tolerance)");
  ClaimsFixture forced;
  forced.series("train", 2).assumed_keeps = true;
  CHECK(verdict(json::object(), forced) == "direction only");
  json scaled = protocol("context", 8192);
  scaled["protocol"]["d_model"] = "unknown";
  const auto lines = lines_of({}, fixture_claim(scaled));
  REQUIRE(lines.size() == 1);
  CHECK(protocol_text(lines[0]) == "context: 8192 there, 512 here; unknown there: d_model");
}

TEST_CASE("not reproduced says on which side the effect is", "[unit]") {
  CHECK(verdict({{"metric", "speedup_prefill"}}) == "not reproduced (opposite)");
  CHECK(verdict({{"metric", "speedup_decode"}}) == "not reproduced (unclear)");
  CHECK(verdict({{"expected", 0.9}}) == "not reproduced (opposite)");
}

TEST_CASE("a speed-up inside the reference's own noise is unclear", "[unit]") {
  ClaimsFixture noisy;
  for (size_t r = 0; r < 9; ++r) noisy.series("train", 1).seconds[r] = r % 2 ? 1.4 : 2.6;
  CHECK(verdict(json::object(), noisy) == "not reproduced (unclear)");
}

TEST_CASE("not comparable names fields and values, or what was not measured", "[unit]") {
  CHECK(verdict(protocol("retention", 0.8)) == "not comparable (retention: 0.8 there, 0.64 here)");
  CHECK(verdict(protocol("rope_factor", 16)) ==
        "not comparable (rope_factor: 16 there, none here)");
  CHECK(verdict(protocol("dtype", "float16")) ==
        "not comparable (dtype: float16 there, float32 here)");
  CHECK(verdict({{"metric", "mmlu_accuracy_difference"}}) ==
        "not comparable (metric not measured: mmlu_accuracy_difference)");
  // sub_0.5 fits, and has no series.
  CHECK(verdict(protocol("retention", 0.5)) ==
        "not comparable (metric not measured: speedup_train)");
}

TEST_CASE("a setting of a chosen part is a field of the protocol", "[unit]") {
  ClaimsFixture scaled;
  for (PlannedTrial& trial : scaled.plan.trials)
    trial.config["model"]["rope"] = {{"type", "yarn"}, {"factor", 16}};
  CHECK(verdict(protocol("rope_factor", 16), scaled) == "reproduced");
  CHECK(verdict(protocol("rope_factor", 8), scaled) ==
        "not comparable (rope_factor: 8 there, 16 here)");
}

TEST_CASE("a claim on a cell that ran out of memory says so", "[unit]") {
  ClaimsFixture lost;
  BenchSeries& own = lost.series("train", 2);
  own.outcome = "out_of_memory";
  own.seconds.clear();
  CHECK(verdict(json::object(), lost) ==
        "not comparable (sub_0.64 is out of memory at train, context 512, batch 1)");
  ClaimsFixture alone;
  alone.series("train", 0).outcome = "out_of_memory";
  alone.series("train", 0).seconds.clear();
  CHECK(verdict(json::object(), alone) ==
        "not comparable (llama is out of memory at train, context 512, batch 1)");
}

TEST_CASE("hardware utilisation is read against the measured limit of the mode", "[unit]") {
  json claimed = {{"metric", "hardware_utilisation"}, {"expected", 0.5}};
  claimed["protocol"]["mode"] = "train";
  CHECK(verdict(claimed) == "not comparable (metric not measured: hardware_utilisation)");
  ClaimsFixture fixture;
  fixture.bench.calibration = {{"matmul_512_gflops_per_s", 1e-6}, {"read_gb_per_s", 1e-6}};
  fixture.series("train", 2).flops_per_token = 8;  // 100 tokens in 1.6 s: 500 a second of 1000
  auto lines = lines_of(fixture, fixture_claim(claimed));
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].measured->estimate.value == Approx(0.5));
  CHECK(verdict_text(lines[0]) == "reproduced");
}

TEST_CASE("claims about what no variant is are summed up", "[unit]") {
  const auto lines = lines_of({}, fixture_claim(protocol("rope", "yarn")));
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].elsewhere);
  CHECK(verdict_text(lines[0]) == "not comparable (no such variant here)");
  CHECK(elsewhere_text(lines) == "1 claim about paper: no such variant here");
  CHECK(verdict(protocol("rope", "none")) == "reproduced");
}

TEST_CASE("every variant and every condition that fits has a line", "[unit]") {
  ClaimsFixture fixture;
  for (const int64_t context : {1024, 2048}) {
    fixture.add_mode("train", 2, 1.6);
    fixture.bench.measurements.back().context = context;
  }
  CHECK(lines_of(fixture, fixture_claim()).size() == 1);
  const auto nearest = lines_of(fixture, fixture_claim(protocol("context", 8192)));
  REQUIRE(nearest.size() == 1);
  CHECK(nearest[0].measured->condition == "train, context 2048, batch 1");
  CHECK(lines_of(fixture, fixture_claim(protocol("context", "unknown"))).size() == 3);
  const auto both = lines_of(fixture, fixture_claim({{"metric", "speedup_inference"}}));
  REQUIRE(both.size() == 2);
  CHECK(both[1].measured->condition == "decode, context 512, batch 1");
  CHECK_THAT(protocol_text(both[0]), Contains("prefill or decode"));
}

TEST_CASE("memory is a difference; the reference's two runs give its interval", "[unit]") {
  json saved = {{"metric", "peak_memory_saved_bytes"}, {"expected", 200}};
  saved["protocol"]["mode"] = "train";
  const auto lines = lines_of({}, fixture_claim(saved));
  REQUIRE(lines.size() == 1);
  CHECK(measured_text(lines[0]) == "200 B [190 B, 210 B]");
  CHECK(verdict_text(lines[0]) == "reproduced");
  ClaimsFixture alone;
  for (BenchMeasurement& measurement : alone.bench.measurements)
    measurement.series.erase(measurement.series.begin() + 1);
  CHECK(verdict(saved, alone) == "not reproduced (unclear)");
  CHECK(verdict({{"metric", "kv_cache_saved_bytes"}, {"expected", 400}}) == "reproduced");
}

TEST_CASE("a value has no direction, unless the claim says above", "[unit]") {
  ClaimsFixture fixture;
  fixture.add_metric("sub_0.64", 1, "mmlu_accuracy", 0.51, {{"n_rows", 1000}});
  CHECK(verdict_of(accuracy(), fixture) == "reproduced");
  CHECK(verdict_of(accuracy({{"expected", 0.7}}), fixture) ==
        "not reproduced (outside the tolerance)");
  CHECK(verdict_of(accuracy(protocol("d_model", 2048)), fixture) ==
        "not comparable (a value has no direction)");
  json above = protocol("d_model", 2048);
  above["above"] = 0.25;
  CHECK(verdict_of(accuracy(above), fixture) == "direction only");
  above["above"] = 0.5;
  CHECK(verdict_of(accuracy(above), fixture) == "not reproduced (unclear)");
  above["above"] = 0.9;
  CHECK(verdict_of(accuracy(above), fixture) == "not reproduced (opposite)");
}

TEST_CASE("differences of records: Newcombe's example, t over seeds, no effect", "[unit]") {
  // Newcombe 1998: 56/70 against 48/80 gives [0.0524, 0.3339].
  ClaimsFixture one;
  one.add_metric("sub_0.64", 1, "mmlu_accuracy", 56.0 / 70, {{"n_rows", 70}});
  one.add_metric("llama", 1, "mmlu_accuracy", 48.0 / 80, {{"n_rows", 80}});
  const json difference = {{"metric", "mmlu_accuracy_difference"}, {"expected", 0.2}};
  auto lines = lines_of(one, accuracy(difference));
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].measured->estimate.interval->low == Approx(0.0524).margin(5e-5));
  CHECK(lines[0].measured->estimate.interval->high == Approx(0.3339).margin(5e-5));
  CHECK(lines[0].measured->target == "these checkpoints");
  CHECK(verdict_text(lines[0]) == "reproduced");
  ClaimsFixture three;
  for (const int64_t seed : {1, 2, 3}) {
    three.add_metric("llama", seed, "mmlu_accuracy", 0.5);
    three.add_metric("sub_0.64", seed, "mmlu_accuracy", 0.5 + 0.001 * static_cast<double>(seed));
  }
  // Mean 0.002, sd 0.001, t(0.975, 2) = 4.3027: 0.002 +- 0.002484.
  lines = lines_of(three, accuracy(difference));
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].measured->estimate.interval->high == Approx(0.004484).margin(1e-6));
  CHECK(verdict_text(lines[0]) == "not reproduced (unclear)");
  // "Competitive": the interval lies inside 0.02, not inside 0.004, and clearly outside 0.0004
  // never.
  json equal = {{"metric", "mmlu_accuracy_difference"}, {"expected", 0}};
  CHECK(verdict_of(accuracy(equal), three) == "reproduced");
  equal["tolerance"]["absolute"] = 0.004;
  CHECK(verdict_of(accuracy(equal), three) == "not reproduced (unclear)");
  CHECK(verdict_of(accuracy(equal), one) == "not reproduced (there is an effect)");
}

TEST_CASE("the report has the plan's claims as tables", "[unit]") {
  ClaimsFixture fixture;
  fixture.plan.claims = {fixture_claim(),
                         fixture_claim({{"hardware", true}, {"note", "read twice"}}),
                         fixture_claim(protocol("architecture", "mega"))};
  const TemporaryFolder folder;
  fixture.write(folder.path);
  Report report;
  add_claims_table(read_study_or_bench(folder.path), report);
  REQUIRE(report.tables.size() == 2);
  CHECK(report.tables[0].title == "Claims");
  CHECK(report.tables[1].title == "Claims tied to hardware");
  REQUIRE(report.tables[0].rows.size() == 1);
  const Row& row = report.tables[0].rows[0];
  CHECK(row.cells.size() == report.tables[0].columns.size());
  CHECK(row.cells[4].value == 1.25);
  CHECK(row.cells[5].text == "reproduced");
  CHECK(report.footnotes.front() == "holds for this machine and these weights");
  CHECK(report.findings ==
        std::vector<std::string>{"Claims: 1 claim about fixture: no such variant here."});
  fixture.plan.claims = json::array();
  fixture.write(folder.path);
  Report empty;
  add_claims_table(read_study_or_bench(folder.path), empty);
  CHECK(empty.tables.empty());
}

// A trial done again against its record, and a plan against its study: what is forged is found.
#include "analysis/verify_again.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <functional>

#include "analysis/verify_plan.h"
#include "tests/analysis/study_fixture.h"
#include "tests/temporary_folder.h"

using namespace sublab;
using Catch::Contains;

namespace {

const json kMachine = {{"cpu", "one"},       {"instruction_set", "avx512f"},
                       {"libtorch", "2.11"}, {"blas", "MKL"},
                       {"compiler", "gcc"},  {"threads", 1},
                       {"load_at_start", 2}};

/// Trials of one variant, seeds 1 to 3, whose losses spread by 0.01.
std::vector<TrialFiles> honest() {
  const TemporaryFolder place;
  write_fixture(
      place.path, {},
      {{"a", 1, wavy_losses(3)}, {"a", 2, wavy_losses(3.01)}, {"a", 3, wavy_losses(3.02)}});
  std::vector<TrialFiles> out;
  for (const int64_t seed : {1, 2, 3}) {
    Record record = read_record(place.path / "records" / (fixture_id("a", seed) + ".json"));
    record.environment = kMachine;
    record.provenance["weights_hash"] = "abc";
    record.ledger = {{"flops_causal", 12.5}, {"lines", {{{"part", "head"}, {"bytes", 4}}}}};
    record.audit = {{"verdict", "causal"},
                    {"expects", "causal"},
                    {"version", 2},
                    {"checks", {{{"name", "prefix"}, {"passed", true}, {"margin", 1e-16}}}}};
    out.push_back(with_arrays(record, place.path));
  }
  return out;
}

using Edit = std::function<void(TrialFiles&)>;

/// The record is `edit`ed; the trial is done again as it was.
Agreement forged(const Edit& edit, bool trained = false) {
  const std::vector<TrialFiles> seeds = honest();
  TrialFiles before = seeds[0];
  edit(before);
  return hold_against(before, seeds[0], seeds, trained);
}

std::string documents_of(const TrialFiles& trial) {
  return member_name(array::kDocuments, trial.record.evaluations.at(0).id);
}

/// Takes `delta` from the loss of document 0 and gives it to document 1.
void move_loss(TrialFiles& trial, double delta) {
  NpyArray& documents = trial.arrays.at(documents_of(trial));
  std::vector<double> losses = documents.as_doubles();
  losses[0] -= delta, losses[3] += delta;
  documents = npy_array(losses, documents.shape);
}

}  // namespace

TEST_CASE("a trial that comes again", "[unit]") {
  for (const bool trained : {false, true}) {
    const Agreement found = forged([](TrialFiles&) {}, trained);
    CHECK(found.problems.empty());
    CHECK(found.remarks.empty());
    CHECK(found.verdict() == "comes again");
    CHECK(found.numbers == 3);
    CHECK(found.arrays == 2);
    CHECK(found.checks == 2);
  }
  // Times, load and resident sets are of the moment.
  CHECK(forged([](TrialFiles& trial) {
          trial.record.environment["load_at_start"] = 7;
          trial.record.times["train_seconds"] = 3;
          trial.record.audit["checks"][0]["margin"] = 3e-16;
        }).problems.empty());
}

TEST_CASE("each forgery of a record is found, whatever its digests say", "[unit]") {
  const std::vector<std::pair<const char*, Edit>> edits = {
      {"loss_nats", [](TrialFiles& t) { t.record.metrics[0].value = 2.9; }},
      {"is not in the record", [](TrialFiles& t) { t.record.metrics.pop_back(); }},
      {"nothing",
       [](TrialFiles& t) {
         t.record.metrics.push_back({"n_params", 5.0});
       }},
      {"the array", [](TrialFiles& t) { move_loss(t, 0.5); }},
      {"did not come again", [](TrialFiles& t) { t.arrays["more"] = npy_array<double>({1}, {1}); }},
      {"is not in the study", [](TrialFiles& t) { t.arrays.erase(documents_of(t)); }},
      {"another shape",
       [](TrialFiles& t) {
         t.arrays.at(documents_of(t)).shape = {20, 6};
       }},
      {"the audit says 'causal' instead of 'leaks(position 3, margin 0.1)'",
       [](TrialFiles& t) { t.record.audit["verdict"] = "leaks(position 3, margin 0.1)"; }},
      {"audit/checks/0/passed",
       [](TrialFiles& t) { t.record.audit["checks"][0]["passed"] = false; }},
      {"audit/expects", [](TrialFiles& t) { t.record.audit["expects"] = "leaks"; }},
      {"ledger/lines/0/bytes", [](TrialFiles& t) { t.record.ledger["lines"][0]["bytes"] = 3; }},
      {"evaluations/0/conditions",
       [](TrialFiles& t) { t.record.evaluations[0].conditions["split"] = "train"; }},
      {"outcome ok instead of diverged", [](TrialFiles& t) { t.record.outcome = "diverged"; }}};
  for (const auto& [problem, edit] : edits) {
    INFO(problem);
    const Agreement found = forged(edit);
    REQUIRE_FALSE(found.problems.empty());
    CHECK_THAT(join(found.problems, "\n"), Contains(problem));
    CHECK(found.verdict() == "does not come again");
  }
  const Edit other_weights = [](TrialFiles& t) { t.record.provenance["weights_hash"] = "def"; };
  CHECK(forged(other_weights, /*trained=*/true).problems.size() == 1);
}

TEST_CASE("on another machine numbers are held against the spread of seeds", "[unit]") {
  const Edit elsewhere = [](TrialFiles& t) {
    t.record.environment["instruction_set"] = "avx2";
    t.record.environment["cpu"] = "two";
  };
  const auto with = [&](const Edit& edit, bool trained = true) {
    return forged(
        [&](TrialFiles& t) {
          elsewhere(t);
          edit(t);
        },
        trained);
  };
  const Agreement as_it_is = with([](TrialFiles&) {});
  CHECK(as_it_is.problems.empty());
  CHECK(as_it_is.machine ==
        std::vector<std::string>{"cpu is \"one\", was \"two\"",
                                 "instruction_set is \"avx512f\", was \"avx2\""});
  CHECK(as_it_is.verdict() == "another machine: compare within the spread of seeds");
  // Seeds spread by 0.01: four times that is borne, ten times is not.
  const auto loss = [](double delta) {
    return [delta](TrialFiles& t) { *t.record.metrics[0].value += delta; };
  };
  CHECK(with(loss(0.03)).problems.empty());
  CHECK_THAT(join(with(loss(0.1)).problems, ""), Contains("beyond the spread of seeds"));
  // Of weights that are only evaluated again less is borne.
  CHECK_FALSE(with(loss(0.03), /*trained=*/false).problems.empty());
  CHECK(with([](TrialFiles& t) { move_loss(t, 0.5); }).problems.empty());
  CHECK_THAT(join(with([](TrialFiles& t) { move_loss(t, 50); }).problems, ""),
             Contains("further from the record's than seeds are from each other"));
  CHECK_FALSE(with([](TrialFiles& t) { t.record.audit["verdict"] = "leaks(x)"; }).problems.empty());
}

TEST_CASE("one seed has no spread to hold against", "[unit]") {
  const TrialFiles now = honest()[0];
  TrialFiles before = now;
  before.record.environment["libtorch"] = "2.10";
  *before.record.metrics[0].value += 1;
  const Agreement found = hold_against(before, now, {now}, /*trained=*/true);
  CHECK(found.problems.empty());
  CHECK(found.numbers == 0);
  CHECK(found.arrays == 0);
  CHECK_THAT(join(found.remarks, "; "), Contains("3 numbers are held against nothing"));
}

TEST_CASE("checks of another audit are not compared, its verdict is", "[unit]") {
  const Edit older = [](TrialFiles& t) {
    t.record.audit.erase("version");
    t.record.audit["checks"] = json::array();
  };
  const Agreement found = forged(older);
  CHECK(found.problems.empty());
  CHECK_THAT(join(found.remarks, ""), Contains("its verdict alone is compared"));
  CHECK_FALSE(forged([&](TrialFiles& t) {
                older(t);
                t.record.audit["verdict"] = "leaks(position 0, margin 1)";
              }).problems.empty());
}

TEST_CASE("a plan is held against what its study gives", "[unit]") {
  const TemporaryFolder place;
  write_fixture(place.path, {}, {{"a", 1, wavy_losses(3)}, {"b", 1, wavy_losses(3)}});
  const Plan resolved = read_plan(place.path);
  const auto problems = [&](const std::function<void(Plan&)>& edit) {
    Plan standing = resolved;
    edit(standing);
    return join(hold_plan_against(standing, resolved).problems, "\n");
  };
  CHECK(problems([](Plan&) {}).empty());
  const std::vector<std::pair<const char*, std::function<void(Plan&)>>> edits = {
      {"comparisons is [[\"b\",\"a\"]], study.json gives []",
       [](Plan& plan) {
         plan.comparisons = {{"b", "a"}};
       }},
      {"match is",
       [](Plan& plan) {
         plan.match = {{{"by", "train_tokens"}}};
       }},
      {"claims is",
       [](Plan& plan) {
         plan.claims = {{{"paper", "x"}}};
       }},
      {"measure.rounds is 3",
       [](Plan& plan) {
         plan.measure = {{"rounds", 3}};
       }},
      {"scaling.a is",
       [](Plan& plan) {
         plan.scaling = {{"a", {"a"}}};
       }},
      {"compare_to is", [](Plan& plan) { plan.compare_to = "b"; }},
      {"seeds is",
       [](Plan& plan) {
         plan.seeds = {1, 2};
       }},
      {"question is", [](Plan& plan) { plan.question = "Another?"; }},
      {"train.tokens is 5", [](Plan& plan) { plan.trials[0].config["train"]["tokens"] = 5; }},
      {"evaluate is",
       [](Plan& plan) { plan.trials[0].config["evaluate"][0]["split"] = "validation"; }},
      {"is no trial of study.json", [](Plan& plan) { plan.trials[0].seed = 9; }},
      {"b, seed 1 of study.json is missing", [](Plan& plan) { plan.trials.pop_back(); }}};
  for (const auto& [problem, edit] : edits) {
    INFO(problem);
    CHECK_THAT(problems(edit), Contains(problem));
  }
  // Another version of the program has other ids, and settings that the plan did not have.
  Plan newer = resolved;
  newer.trials[0].config["model"]["added"] = true;
  newer.trials[0].id = "0123456789abcdef";
  const PlanAgreement found = hold_plan_against(resolved, newer);
  CHECK(found.problems.empty());
  CHECK_THAT(join(found.remarks, ""), Contains("1 of 2 trials have other ids"));
}

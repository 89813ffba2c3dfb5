// What counts as losing trials.
#include "core/schema/plan_change.h"

#include <catch2/catch.hpp>

using namespace sublab;
using Catch::Contains;

namespace {

PlannedTrial trial(const std::string& variant, int64_t seed, int64_t tokens,
                   const std::vector<std::string>& tasks = {"perplexity"},
                   const std::string& probe = "", double rate = 1e-3) {
  PlannedTrial out;
  out.variant = variant;
  out.seed = seed;
  out.probe = probe;
  out.config = {{"train", {{"tokens", tokens}, {"learning_rate", rate}}},
                {"evaluate", json::array()}};
  for (const std::string& task : tasks) out.config["evaluate"].push_back({{"task", task}});
  out.train_id =
      variant + std::to_string(seed) + "/" + std::to_string(tokens) + probe + std::to_string(rate);
  out.id = out.train_id + "/" + out.config["evaluate"].dump();
  return out;
}

Plan plan(std::vector<PlannedTrial> trials) {
  Plan out;
  out.study = "s";
  out.compare_to = "a";
  out.variants = {"a", "b"};
  out.seeds = {1};
  out.threads = 1;
  out.trials = std::move(trials);
  return out;
}

PlanChange change(const Plan& standing, const Plan& next, bool done = true) {
  return compare_plans(standing, next, [done](const PlannedTrial&) { return done; });
}

}  // namespace

TEST_CASE("a plan may grow: trials, evaluations, other words about them", "[unit]") {
  const Plan standing = plan({trial("a", 1, 100), trial("b", 1, 100)});
  CHECK(change(standing, standing).conflict.empty());
  CHECK_FALSE(change(standing, standing).differs);
  const PlanChange more =
      change(standing, plan({trial("a", 1, 100), trial("b", 1, 100), trial("a", 2, 100)}));
  CHECK(more.conflict.empty());
  CHECK(more.differs);
  CHECK_FALSE(more.evaluations_grow);
  const std::vector<std::string> both = {"perplexity", "recall"};
  const PlanChange evaluated =
      change(standing, plan({trial("a", 1, 100, both), trial("b", 1, 100, both)}));
  CHECK(evaluated.conflict.empty());
  CHECK(evaluated.evaluations_grow);
  Plan margin = standing;
  margin.equivalence.loss_nats = 0.01;
  CHECK(change(standing, margin, false).conflict.empty());
  CHECK(change(standing, margin, false).differs);
  CHECK_THAT(change(standing, margin).conflict, Contains("a margin is stated before"));
  Plan asked = standing;
  asked.question = "Why?";
  CHECK(change(standing, asked).conflict.empty());
  CHECK(change(standing, asked).differs);
}

TEST_CASE("a plan that would lose trials says what differs, and in how many", "[unit]") {
  const Plan standing = plan({trial("a", 1, 100), trial("b", 1, 100)});
  CHECK_THAT(
      change(standing, plan({trial("a", 1, 200), trial("b", 1, 200)})).conflict,
      Contains(
          "2 of 2 trials (2 done) would be lost; a, seed 1: train.tokens is 100 in its plan and "
          "200 now"));
  CHECK_THAT(
      change(standing, plan({trial("a", 1, 100)})).conflict,
      Contains("1 of 2 trials (1 done) would be lost; b, seed 1: it is not in the study now"));
  CHECK_THAT(change(standing, plan({trial("a", 1, 100, {"recall"}), trial("b", 1, 100)})).conflict,
             Contains("evaluate.0.task is \"perplexity\" in its plan and \"recall\" now"));
  Plan other = standing;
  other.trials[1].id = other.trials[1].train_id = "other text";
  CHECK_THAT(change(standing, other).conflict, Contains("its settings are the same"));
  other = standing;
  other.threads = 2;
  CHECK_THAT(change(standing, other).conflict, Contains("threads is 1 in its plan and 2 now"));
  other = standing;
  other.study = "t";
  CHECK_THAT(change(standing, other).conflict, Contains("holds the study 's' (2 trials), not 't'"));
}

TEST_CASE("a list that was empty is said to be so, and arrays to keep lose no trial", "[unit]") {
  Plan standing = plan({trial("a", 1, 100)}), next = standing;
  standing.trials[0].config["evaluate"][0]["keep"] = json::array();
  next.trials[0].config["evaluate"][0]["keep"] = {"token_losses"};
  next.trials[0].id = "kept";
  CHECK(change(standing, next).conflict.empty());
  CHECK(change(standing, next).evaluations_grow);
  next.trials[0].train_id = "other";
  CHECK_THAT(change(standing, next).conflict,
             Contains("evaluate.0.keep is [] in its plan and [\"token_losses\"] now"));
}

TEST_CASE("what nothing was done of is not lost", "[unit]") {
  const Plan standing = plan({trial("a", 1, 100)}), next = plan({trial("a", 1, 200)});
  CHECK(change(standing, next, /*done=*/false).conflict.empty());
  CHECK(change(standing, next, /*done=*/false).differs);
}

TEST_CASE("the trials that follow from tuning complete a plan", "[unit]") {
  const auto tuning = [](double rate) { return trial("a", 1, 10, {"p"}, "tune", rate); };
  const Plan first = plan({tuning(1e-3), tuning(3e-3)});
  const Plan whole = plan({tuning(1e-3), tuning(3e-3), trial("a", 1, 100, {"p"}, "", 3e-3)});
  CHECK(change(first, whole).conflict.empty());
  CHECK_FALSE(change(first, whole).differs);
  const Plan other = plan({tuning(1e-3), tuning(3e-3), trial("a", 1, 100, {"p"}, "", 1e-3)});
  CHECK(change(whole, other, /*done=*/false).conflict.empty());
  CHECK_THAT(change(whole, other).conflict,
             Contains("train.learning_rate is 0.003 in its plan and 0.001 now"));
  CHECK_THAT(change(first, plan({tuning(1e-3), tuning(2e-3)})).conflict,
             Contains("a (tune), seed 1: it is not in the study now"));
}

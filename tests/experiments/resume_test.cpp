// Work that was done is kept: threads, plans that stand, damaged records, left-over files.
#include <catch2/catch.hpp>

#include "core/schema/arrays.h"
#include "core/schema/metrics.h"
#include "core/schema/plan.h"
#include "core/schema/record.h"
#include "tests/experiments/hinted.h"

using namespace sublab;
using Catch::Contains;

namespace {

const fs::path kFolder = "results/tiny";

}  // namespace

TEST_CASE("threads are the plan's, wherever a run goes on", "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study({{"seeds", {1, 2}}}).dump());
  REQUIRE(place.run("run tiny.json --shard 1/2", "OMP_NUM_THREADS=1").code == 0);
  CHECK(read_plan(place.path(kFolder)).threads == 1);
  const Ran rest = place.run("run tiny.json --shard 2/2", "OMP_NUM_THREADS=2");
  INFO(rest.err);
  REQUIRE(rest.code == 0);
  CHECK_THAT(place.run("run tiny.json", "OMP_NUM_THREADS=3").err,
             Contains("0 trials run, 4 done before"));
  for (const Record& record : read_records(place.path(kFolder)))
    CHECK(record.environment.at("threads") == 1);
  CHECK(place.run("verify results/tiny --rerun 1", "OMP_NUM_THREADS=2").code == 0);
  const std::string plan = read_file(place.path(kFolder / "plan.json"));
  const Ran other = place.run("run tiny.json --threads 2");
  CHECK(other.code == 2);
  CHECK_THAT(other.err, Contains("threads is 1 in its plan and 2 now, for all of its 4 trials"));
  CHECK(read_file(place.path(kFolder / "plan.json")) == plan);
  // The setting of the study and that of the command line are one.
  place.write("two.json", place.study({{"threads", 2}}).dump());
  REQUIRE(place.run("run two.json --only llama --out two", "OMP_NUM_THREADS=1").code == 0);
  CHECK(read_records(place.path("two"))[0].environment.at("threads") == 2);
  const Ran same = place.run("run tiny.json --only llama --threads 2 --out two");
  CHECK_THAT(same.err, Contains("1 trials run, 1 done before"));  // seed 2 is new
}

TEST_CASE("a plan from before threads were kept goes on with those of its records",
          "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study().dump());
  REQUIRE(place.run("run tiny.json --threads 1").code == 0);
  const fs::path path = place.path(kFolder / "plan.json");
  json plan = json::parse(read_file(path));
  plan.erase("threads");
  plan["digest"] = digest_of(plan);
  write_file_durably(path, plan.dump());
  CHECK(place.run("verify results/tiny").code == 0);
  CHECK_THAT(place.run("run tiny.json", "OMP_NUM_THREADS=2").err,
             Contains("0 trials run, 2 done before"));
  CHECK(read_plan(place.path(kFolder)).threads == 1);
}

TEST_CASE("what another study has trained alike is taken from it and evaluated here",
          "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study().dump());
  REQUIRE(place.run("run tiny.json --threads 1").code == 0);
  json other = place.study();
  other["study"] = "other";
  other["variants"]["third"] = {{"model.n_layers", 1}};
  place.write("other.json", other.dump());
  const Ran taken = place.run("run other.json --threads 1 --trained-in results/tiny --out other");
  INFO(taken.err);
  REQUIRE(taken.code == 0);
  CHECK_THAT(taken.err, Contains("2 trainings taken from results/tiny"));
  CHECK_THAT(taken.err, Contains("3 trials run"));
  CHECK(place.run("verify other").code == 0);
  const auto theirs = read_records(place.path(kFolder)), ours = read_records(place.path("other"));
  REQUIRE(ours.size() == 3);
  int64_t n_shared = 0;
  for (const Record& mine : ours)
    for (const Record& record : theirs) {
      if (record.train_id != mine.train_id) continue;
      ++n_shared;
      CHECK(mine.study == "other");
      CHECK(mine.times.at("train_seconds") == record.times.at("train_seconds"));
      CHECK(mine.find(metric::kLossNats)->value == record.find(metric::kLossNats)->value);
    }
  CHECK(n_shared == 2);

  const fs::path weights =
      place.path(kFolder / checkpoint_folder(theirs.front().train_id) / "model.safetensors");
  std::string bytes = read_file(weights);
  bytes.back() ^= 1;
  write_file_durably(weights, bytes);
  const Ran damaged = place.run("run other.json --threads 1 --trained-in results/tiny --out again");
  CHECK(damaged.code == 2);
  CHECK_THAT(damaged.err, Contains("other weights"));
  CHECK(place.run("run other.json --trained-in nowhere --out again").code == 2);
}

TEST_CASE("the line that an interrupted run prints goes on with it", "[end_to_end]") {
  const Workplace place;
  place.write("my study.json", place.study({{"seeds", {1, 2, 3}}}).dump());
  Ran stopped;
  for (const char* seconds : {"1.5", "0.8", "0.4"}) {  // a fast machine may be done before
    fs::remove_all(place.path("out"));
    stopped = place.run("run 'my study.json' --set train.weight_decay=0 --jobs 2 --out out",
                        std::string("OMP_NUM_THREADS=1 timeout -s INT ") + seconds);
    if (stopped.err.find("Go on with") != std::string::npos) break;
  }
  CHECK_THAT(stopped.err, Contains("Go on with: "));
  const Ran rest = run_line(place, hinted(stopped.err, "Go on with: ", "\n"));
  INFO(read_file(place.path("hint_err.txt")));
  CHECK(rest.code == 0);
  CHECK(read_records(place.path("out")).size() == 6);
  for (const Record& record : read_records(place.path("out")))
    CHECK(record.environment.at("threads") == 1);
}

TEST_CASE("a plan is never replaced silently", "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study().dump());
  REQUIRE(place.run("run tiny.json").code == 0);
  const std::string plan = read_file(place.path(kFolder / "plan.json"));
  const auto check_refused = [&](const json& study, const std::string& expected) {
    place.write("other.json", study.dump());
    for (const std::string more : {"", " --dry-run"}) {
      const Ran ran = place.run("run other.json --out results/tiny" + more);
      INFO(ran.err);
      CHECK(ran.code == 2);
      CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
      CHECK_THAT(ran.err, Contains(expected) && Contains("--replan"));
      CHECK(read_file(place.path(kFolder / "plan.json")) == plan);
    }
  };
  check_refused(place.study({{"study", "other"}}),
                "holds the study 'tiny' (2 trials), not 'other'");
  check_refused(
      place.study({{"base", {{"train", {{"tokens", 2048}}}}}}),
      "2 of 2 trials (2 done) would be lost; llama, seed 1: train.tokens is 4096 in its plan and "
      "2048 now");
  check_refused(place.study({{"seeds", {2}}}), "it is not in the study now");
  json more = place.study({{"seeds", {1, 2}}, {"question", "And now?"}});
  more["variants"]["small"] = {{"model.n_layers", 1}};
  more["base"]["evaluate"].push_back(
      {{"task", "perplexity"}, {"split", "test"}, {"max_tokens", 9}});
  place.write("tiny.json", more.dump());
  const Ran grown = place.run("run tiny.json --only llama");
  INFO(grown.err);
  CHECK(grown.code == 0);
  CHECK_THAT(grown.err, Contains("plan.1.json"));
  CHECK(read_file(place.path(kFolder / "plan.1.json")) == plan);
  // Records of the plan before are no strangers.
  CHECK_THAT(place.run("verify results/tiny").out, !Contains("is of no trial"));
  place.write("other.json", place.study({{"base", {{"train", {{"tokens", 2048}}}}}}).dump());
  const Ran replaced = place.run("run other.json --out results/tiny --only llama --replan");
  INFO(replaced.err);
  CHECK(replaced.code == 0);
  CHECK_THAT(replaced.err, Contains("plan.2.json") && Contains("1 trials run"));
  CHECK(place.run("verify results/tiny").code == 0);
}

TEST_CASE("while a run works in a folder only its own plan may", "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study().dump());
  REQUIRE(place.run("run tiny.json --only llama").code == 0);
  // A mark as another process holds it.
  write_file_durably(place.path(kFolder / "work/run.elsewhere.12.lock"), "");
  {
    const FileLock other(place.path(kFolder / "work/run.elsewhere.12.lock"));
    REQUIRE(other.held());
    place.write("more.json", place.study({{"seeds", {1, 2}}}).dump());
    const Ran more = place.run("run more.json --replan");
    CHECK(more.code == 2);
    CHECK_THAT(more.err, Contains("another run works there (elsewhere, process 12)"));
    CHECK(place.run("run tiny.json").code == 0);
  }
  CHECK(place.run("run more.json --only llama").code == 0);
  CHECK_FALSE(fs::exists(place.path(kFolder / "work/run.elsewhere.12.lock")));
}

TEST_CASE("files of a killed process are neither sealed nor kept", "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study().dump());
  REQUIRE(place.run("run tiny.json --only llama").code == 0);
  const Record record = read_records(place.path(kFolder)).front();
  fs::remove(place.path(kFolder / "records" / (record.id + ".json")));
  const std::vector<fs::path> left = {
      kFolder / "arrays" / (record.id + ".npz.tmp1"),
      kFolder / "records" / (record.id + ".json.tmp999999999"),
      kFolder / "checkpoints" / record.train_id / "model.safetensors.tmp999999999"};
  for (const fs::path& path : left) write_file_durably(place.path(path), "half");
  REQUIRE(place.run("run tiny.json --only llama").code == 0);
  for (const fs::path& path : left) CHECK_FALSE(fs::exists(place.path(path)));
  CHECK(fs::exists(arrays_path(place.path(kFolder), record.id)));
  for (const fs::path& path : {left[0], left[1]}) write_file_durably(place.path(path), "half");
  CHECK(place.run("verify results/tiny").code == 0);
}

TEST_CASE("a folder of results whose plan is gone takes no other study", "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study().dump());
  REQUIRE(place.run("run tiny.json --only llama").code == 0);
  place.write("other.json", place.study({{"study", "other"}}).dump());
  fs::remove(place.path(kFolder / "plan.json"));
  const Ran refused = place.run("run other.json --out results/tiny");
  CHECK(refused.code == 2);
  CHECK_THAT(refused.err, Contains("holds records of the study 'tiny', not of 'other'"));
  CHECK_THAT(place.run("run tiny.json --only llama").err, Contains("0 trials run, 1 done before"));
}

TEST_CASE("weights of another shape are refused when the study is read", "[end_to_end]") {
  const Workplace place;
  const auto refused = [&](const json& changes, const std::string& expected) {
    place.write("tiny.json",
                place.study({{"variants", {{"subllm", nullptr}, {"more", changes}}}}).dump());
    const Ran ran = place.run("run tiny.json");
    CHECK(ran.code == 2);
    CHECK_THAT(ran.err,
               Contains("/variants/more/train/from: the model of 'llama'") && Contains(expected));
    CHECK_FALSE(fs::exists(place.path(kFolder)));
  };
  refused({{"train.from", "llama"}, {"model.d_model", 32}}, "has shape [257, 16]");
  refused({{"train.from", "llama"}, {"model.n_layers", 3}}, "has no tensor model.layers.2");
  refused({{"train.from", "llama"}, {"model.n_layers", 1}}, "has a tensor model.layers.1");
}

// What a study will take, said before it runs.
#include <catch2/catch.hpp>

#include "tests/experiments/shell.h"

using namespace sublab;
using Catch::Contains;

TEST_CASE("show says memory by part in the study's dtype, the cache by context and batch, and time",
          "[end_to_end]") {
  const Workplace place;
  const json edits = {{"base", {{"measure", {{"context", {16, 32}}, {"batch", {1, 4}}}}}}};
  place.write("tiny.json", place.study(edits).dump());
  const auto shown = [&](const std::string& more) {
    const Ran ran = place.run("show tiny.json --json " + more);
    INFO(ran.err);
    REQUIRE(ran.code == 0);
    return json::parse(ran.out).at(0);
  };
  const json whole = shown(""), half = shown("--set train.dtype=bfloat16");
  const double n = whole.at("n_params");
  CHECK(whole.at("train_memory").at("weights_bytes") == 4 * n);
  CHECK(half.at("train_memory").at("weights_bytes") == (2 + 4) * n);  // float32 beside them
  CHECK(whole.at("train_memory").at("optimizer_bytes") == 8 * n);
  CHECK(half.at("train_memory").at("optimizer_bytes") == 8 * n);
  CHECK(whole.at("train_seconds_estimate") > 0);
  const json caches = whole.at("kv_cache");
  REQUIRE(caches.size() == 4);
  for (const json& cache : caches)  // keys and values of two layers
    CHECK(cache.at("kv_cache_bytes") ==
          cache.at("batch").get<double>() * cache.at("context").get<double>() * 2 * 2 * 16 * 4);
  const Ran text = place.run("show tiny.json --set train.dtype=bfloat16");
  for (const char* part : {"bfloat16", "moments", "activations", "KV cache, float32", "32 x 4",
                           "Training time here", "a trial"})
    CHECK_THAT(text.out, Contains(part));
}

TEST_CASE("a run that takes days says so before it starts", "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study().dump());
  CHECK(place.run("run tiny.json --dry-run").err.find("takes about") == std::string::npos);
  const Ran ran = place.run("run tiny.json --dry-run --set train.tokens=1000000000000");
  CHECK(ran.code == 0);
  CHECK_THAT(ran.err, Contains("takes about") && Contains("days") && Contains("show"));
}

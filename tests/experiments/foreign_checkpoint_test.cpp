// A checkpoint whose config.json another program, or its user, has changed.
#include <catch2/catch.hpp>

#include "experiments/checkpoint/checkpoint.h"
#include "tests/experiments/shell.h"

using namespace sublab;
using Catch::Contains;

namespace {

/// A small trained Llama "ckpt" with rows of 16 tokens.
class Llama : public Workplace {
 public:
  Llama() {
    const Ran trained = run(train_arguments("ckpt", "--set data.context_len=16"));
    INFO(trained.err);
    REQUIRE(trained.code == 0);
    write("text.txt", "word1 word2 word3. A few words more.");
  }
  void set(const json& keys, const std::vector<std::string>& without = {}) const {
    json config = json::parse(read_file(path("ckpt/config.json")));
    config.update(keys);
    for (const std::string& key : without) config.erase(key);
    write("ckpt/config.json", config.dump());
  }
  json generated(const std::string& more = "") const {
    const Ran ran = run("generate ckpt --prompt 'word1 ' --max-tokens 9 --json " + more);
    INFO(ran.err);
    REQUIRE(ran.code == 0);
    return json::parse(ran.out);
  }
  void check_needs_extrapolate(const std::string& command) const {
    const Ran ran = run(command);
    INFO(command << "\n" << ran.err);
    CHECK(ran.code == 2);
    CHECK_THAT(ran.err, Contains("--extrapolate allows it"));
    CHECK(run(command + " --extrapolate").code == 0);
  }
};

}  // namespace

TEST_CASE("text ends at the ids that the checkpoint names, and says so", "[end_to_end]") {
  const Llama place;
  const json free = place.generated();
  REQUIRE(free.at("ids").size() == 9);
  CHECK(free.at("stopped") == "max_tokens");
  CHECK(free.at("eos_id").is_null());
  const json ids = free.at("ids");
  const auto first = [&](const json& id) {
    return std::find(ids.begin(), ids.end(), id) - ids.begin();
  };
  const auto check_stops = [&](const json& id) {
    const json made = place.generated();
    CHECK(made.at("stopped") == "eos");
    CHECK(made.at("eos_id") == id);
    CHECK(static_cast<long>(made.at("ids").size()) == first(id));
  };
  place.set({{"eos_token_id", ids[4]}});
  check_stops(ids[4]);
  place.set({{"eos_token_id", {255, ids[2]}}});
  check_stops(ids[2]);
  place.set({{"eos_token_id", 255}});
  place.write("ckpt/generation_config.json", json{{"eos_token_id", {254, ids[3]}}}.dump());
  check_stops(ids[3]);
  // Not at the id that begins a text.
  place.write("ckpt/generation_config.json", "{}");
  place.set({{"bos_token_id", ids[4]}});
  CHECK(place.generated().at("ids") == ids);
  place.set({{"eos_token_id", nullptr}});
  CHECK(place.generated().at("ids") == ids);
  place.write("ckpt/generation_config.json", "{\"eos_token_id\": \"2\"}");
  CHECK_THAT(place.run("generate ckpt --prompt word").err,
             Contains("generation_config.json: /eos_token_id: expected a whole number"));
}

TEST_CASE("import and export keep the ids that begin and end a text apart", "[end_to_end]") {
  const Llama place;
  place.set({{"bos_token_id", 3}, {"eos_token_id", {4, 5}}, {"pad_token_id", 6}});
  REQUIRE(place.run("import ckpt ours").code == 0);
  REQUIRE(place.run("export ours back").code == 0);
  REQUIRE(place.run("export ours layout --layout subllm").code == 0);
  REQUIRE(place.run("import layout again").code == 0);
  for (const char* folder : {"ours", "back", "layout", "again"}) {
    INFO(folder);
    const json config = json::parse(read_file(place.path(folder) / "config.json"));
    CHECK(config.at("bos_token_id") == 3);
    CHECK(config.at("eos_token_id") == json({4, 5}));
  }
  CHECK(json::parse(read_file(place.path("back/config.json"))).at("pad_token_id") == 6);
}

TEST_CASE("the shortest row length that a checkpoint names is the one that counts",
          "[end_to_end]") {
  const Llama place;
  place.write("ids.json", json(std::vector<int>(14, 3)).dump());
  const auto check_all = [&](int64_t longer) {
    const std::string n = std::to_string(longer);
    place.write("ids.json", json(std::vector<int>(static_cast<size_t>(longer), 3)).dump());
    place.check_needs_extrapolate("eval --model ckpt --text text.txt --context " + n);
    place.check_needs_extrapolate("generate ckpt --prompt word1 --max-tokens " +
                                  std::to_string(longer - 5));
    place.check_needs_extrapolate("logits ckpt --tokens ids.json --out out.npy");
    const Ran inspected = place.run("inspect ckpt --text text.txt --json");
    CHECK(json::parse(inspected.out).at("checkpoints")[0].at("window") == longer - 1);
  };
  place.set(json::object(), {"max_position_embeddings"});
  check_all(17);
  place.set({{"max_position_embeddings", 4096}});
  check_all(17);
  place.set({{"max_position_embeddings", 12}});
  check_all(13);
  CHECK(place.run("audit ckpt --canary-steps 0").code == 0);  // reads past the context by itself
  // Weights that a study takes over and does not train.
  json study = place.study();
  study["base"]["model"] = {{"architecture", "llama"}};
  study["base"]["train"]["tokens"] = 0;
  study["base"]["train"]["from"] = "ckpt";
  study["variants"] = {{"llama", json::object()}};
  place.write("tiny.json", study.dump());
  const Ran refused = place.run("run tiny.json");
  CHECK(refused.code == 2);
  CHECK_THAT(refused.err, Contains("/evaluate/0/window: 32 is above the 12 tokens of a row"));
  study["base"]["evaluate"][0]["extrapolate"] = true;
  place.write("tiny.json", study.dump());
  const Ran ran = place.run("run tiny.json");
  INFO(ran.err);
  CHECK(ran.code == 0);
}

TEST_CASE("a study that dials weights of another variant keeps to their row length",
          "[end_to_end]") {
  const Workplace place;
  json study = place.study();
  study["variants"]["tail"] = {
      {"train.from", "llama"}, {"train.tokens", 0}, {"data.context_len", 64}};
  place.write("tiny.json", study.dump());
  CHECK_THAT(place.run("run tiny.json").err,
             Contains("/evaluate/0/window: 64 is above the 32 tokens of a row"));
}

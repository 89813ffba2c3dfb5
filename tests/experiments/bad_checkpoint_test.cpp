// A checkpoint that cannot be used, and what cannot be asked of a sound one: one clear line, exit
// 2, nothing half-written.
#include <catch2/catch.hpp>
#include <cstring>

#include "tests/experiments/shell.h"

using namespace sublab;
using Catch::Contains;

namespace {

/// A workplace with the text and ids that commands want, and a trained checkpoint "ckpt".
class Checkpoints : public Workplace {
 public:
  Checkpoints() {
    const Ran trained =
        run(train_arguments("ckpt",
                            "--set model.architecture=subllm "
                            "--set 'model.structure=T(T)T' --set data.context_len=16"));
    INFO(trained.err);
    REQUIRE(trained.code == 0);
    write("ids.json", "[1, 2, 3, 4]");
    write("text.txt", "word1 word2 word3. A few words more.");
  }

  std::string weights() const { return read_file(path("ckpt/model.safetensors")); }
  json config() const { return json::parse(read_file(path("ckpt/config.json"))); }
  /// A copy "bad" of the checkpoint with other weights or another configuration.
  void make_bad(const std::string& weights, const json& config) const {
    write("bad/model.safetensors", weights);
    write("bad/config.json", config.dump());
  }

  void check_refused(const std::string& command, const std::string& expected) const {
    const Ran ran = run(command);
    INFO(command << "\n" << ran.err);
    CHECK(ran.code == 2);
    CHECK(ran.err.starts_with("sublab: "));
    CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
    CHECK_THAT(ran.err, Contains(expected));
    CHECK(ran.out.empty());
    CHECK_FALSE(fs::exists(path("out.npy")));
  }

  void check_unusable(const std::string& expected) const {
    check_refused("logits bad --tokens ids.json --out out.npy", expected);
  }
};

}  // namespace

TEST_CASE("a damaged checkpoint is refused by every command", "[end_to_end]") {
  const Checkpoints place;
  const std::string sound = place.weights();
  place.make_bad(sound.substr(0, sound.size() - 10), place.config());
  place.check_unusable("model.safetensors");
  place.make_bad(sound.substr(0, 5), place.config());
  place.check_unusable("model.safetensors");
  std::string header = sound;
  header[9] = '#';
  place.make_bad(header, place.config());
  place.check_unusable("model.safetensors");
  place.make_bad(sound, place.config());
  place.write("bad/config.json", "{ \"sublab\": ");
  place.check_unusable("config.json: is not valid JSON");
  fs::remove(place.path("bad/config.json"));
  place.check_unusable("holds no config.json");
  for (const char* command :
       {"generate bad --prompt word", "eval --model bad --text text.txt", "audit bad"})
    place.check_refused(command, "holds no config.json");
}

TEST_CASE("weights that are no numbers are refused", "[end_to_end]") {
  const Checkpoints place;
  std::string weights = place.weights();
  const float nan = std::nanf("");
  std::memcpy(weights.data() + weights.size() - sizeof nan, &nan, sizeof nan);
  place.make_bad(weights, place.config());
  place.check_unusable("holds NaN or infinity");
}

TEST_CASE("a configuration that disagrees with the weights is refused", "[end_to_end]") {
  const Checkpoints place;
  const auto with = [&](const std::string& key, const json& value) {
    json config = place.config();
    config["sublab"]["model"][key] = value;
    place.make_bad(place.weights(), config);
  };
  with("structure", "T(T(T))T");
  place.check_unusable("bad");  // a layer and a module more than there are weights
  with("structure", "TTT");
  place.check_unusable("is not a tensor of this configuration");
  with("structure", "T(T");
  place.check_unusable("structure");
  with("d_model", 32);
  place.check_unusable("has shape");
  for (const double retention : {0.0, -0.5, 1.5}) {
    with("retention", retention);
    place.check_unusable("retention");
  }
  place.check_refused("generate ckpt --prompt word --set model.retention=1.5", "retention");
  place.check_refused("generate ckpt --prompt word --set train.tokens=5", "model.*");
}

TEST_CASE("prompts without tokens and settings without effect are refused", "[end_to_end]") {
  const Checkpoints place;
  place.check_refused("generate ckpt --prompt ''", "--prompt: has no tokens");
  place.write("empty.txt", "");
  place.check_refused("generate ckpt --prompt-file empty.txt", "empty.txt: is empty");
  place.check_refused("generate ckpt --prompt-file nowhere.txt", "nowhere.txt");
  place.check_refused("generate ckpt", "--prompt");
  place.check_refused("generate ckpt --prompt word --max-tokens 0", "max_tokens");
  place.check_refused("generate ckpt --prompt word --temperature 1 --top-p 0", "top_p");
  place.check_refused("generate ckpt --prompt word --seed 3", "have no effect");
  place.check_refused("generate ckpt --prompt \"$(printf '\\377')\"", "is not UTF-8");
}

TEST_CASE("more tokens than rows had in training need --extrapolate", "[end_to_end]") {
  const Checkpoints place;  // trained on rows of 16
  const std::string generate = "generate ckpt --prompt 'word1 word2' --max-tokens 6";
  place.check_refused(generate, "a prompt of 11 tokens and 6 new ones make 17, above the 16");
  place.check_refused(generate, "--extrapolate allows it");
  CHECK(place.run(generate + " --extrapolate").code == 0);
  CHECK(place.run("generate ckpt --prompt 'word1 word2' --max-tokens 5").code == 0);
  place.write("ids.json", json(std::vector<int>(17, 3)).dump());
  const std::string logits = "logits ckpt --tokens ids.json --out out.npy";
  place.check_refused(logits, "17 ids are above the 16");
  CHECK(place.run(logits + " --extrapolate").code == 0);
  fs::remove(place.path("out.npy"));
  const std::string eval = "eval --model ckpt --text text.txt --context 17";
  place.check_refused(eval, "17 inputs are above the 16");
  CHECK(place.run(eval + " --extrapolate").code == 0);
}

TEST_CASE("a study's window beyond its rows needs extrapolate", "[end_to_end]") {
  const Workplace place;
  const auto edits = [](bool extrapolate) {
    return json{
        {"base",
         {{"evaluate", {{{"task", "perplexity"}, {"window", 64}, {"extrapolate", extrapolate}}}}}}};
  };
  place.write("tiny.json", place.study(edits(false)).dump());
  const Ran refused = place.run("run tiny.json");
  CHECK(refused.code == 2);
  CHECK_THAT(refused.err, Contains("window: 64 is above data.context_len 32"));
  CHECK_FALSE(fs::exists(place.path("results")));
  place.write("tiny.json", place.study(edits(true)).dump());
  CHECK(place.run("run tiny.json --dry-run").code == 0);
}

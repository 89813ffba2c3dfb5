// An inspection shows the very numbers that evaluation goes by.
#include "experiments/inspect/inspect.h"

#include <catch2/catch.hpp>

#include "experiments/tasks/perplexity.h"
#include "tests/experiments/shell.h"
#include "tests/models/small_models.h"

using namespace sublab;
using Catch::Contains;

namespace {

const std::vector<json> kModels = {
    {{"architecture", "llama"}, {"n_layers", 2}},
    {{"architecture", "subllm"}, {"structure", "T(T(T)T)T(T)"}, {"retention", 0.64}}};

constexpr int64_t kVocab = 257;

TokenizedText some_text(size_t n_bytes) {
  std::string text;
  for (size_t i = 0; text.size() < n_bytes; ++i) text += "word" + std::to_string(i * i) + ", ";
  text.resize(n_bytes);
  return tokenize(text, *bytes_tokenizer(), 1 << 20);
}

}  // namespace

TEST_CASE("losses of an inspection are those of perplexity", "[numerics]") {
  const auto tokenizer = bytes_tokenizer();
  for (const json& config : kModels)
    for (const size_t n : {7, 16, 45, 48}) {
      INFO(config.dump() << " " << n);
      const auto model = small_model(config, at::kFloat, kVocab);
      const TokenizedText text = some_text(n);
      const InspectedText seen = inspect_tokens(*model, text, *tokenizer, 16);
      const auto expected = measure_perplexity(*model, {text.ids}, tokenizer->boundary_id(), 16, 16,
                                               Run{}, KeepSets::chosen_with_depths);
      REQUIRE(seen.tokens.size() == n + 1);
      CHECK(std::isnan(seen.tokens[0].loss));
      for (size_t i = 0; i < n; ++i) {
        CHECK(seen.tokens[i + 1].loss ==
              Approx(expected.documents[0].token_losses[i]).epsilon(1e-5));
        CHECK(seen.tokens[i].depth == expected.documents[0].depths[i]);
      }
    }
}

TEST_CASE("depths and weights of an inspection are the decisions taken", "[numerics]") {
  const auto model = small_model(kModels[1], at::kFloat, kVocab);
  const TokenizedText text = some_text(40);
  const EvenKeeps even({0.5, 0.7, 0.3});
  const int64_t window = 16;
  const InspectedText seen = inspect_tokens(*model, text, *bytes_tokenizer(), window, &even);
  REQUIRE(seen.modules.size() == 3);
  CHECK((seen.modules[0].level == 1 && seen.modules[1].level == 2 && seen.modules[2].level == 1));
  int64_t inner = 0;
  for (size_t i = 0; i < seen.tokens.size(); ++i) {
    INFO(i);
    const int64_t ordinal = static_cast<int64_t>(i) % window;
    if (ordinal == 0) inner = 0;
    const bool first = evenly_kept(ordinal, 0.5), again = evenly_kept(ordinal, 0.3);
    const bool second = first && evenly_kept(inner, 0.7);
    inner += first;
    CHECK(seen.tokens[i].depth == (second ? 2 : first || again ? 1 : 0));
    CHECK_FALSE(std::isnan(seen.modules[0].scores[i]));
    CHECK(std::isnan(seen.modules[0].weights[i]) == !first);
    CHECK(std::isnan(seen.modules[1].scores[i]) == !first);
    CHECK(std::isnan(seen.modules[1].weights[i]) == !second);
    CHECK(std::isnan(seen.modules[2].weights[i]) == !again);
    if (first) CHECK(seen.modules[0].weights[i] == std::clamp(seen.modules[0].scores[i], 0.0, 1.0));
  }
}

TEST_CASE("free decisions follow the scores that an inspection shows", "[numerics]") {
  const auto model = small_model(kModels[1], at::kFloat, kVocab);
  const InspectedText seen = inspect_tokens(*model, some_text(60), *bytes_tokenizer(), 64);
  int kept = 0;
  for (size_t i = 0; i < seen.tokens.size(); ++i)
    for (const InspectedModule& module : seen.modules) {
      if (std::isnan(module.scores[i])) continue;
      CHECK((module.scores[i] > 0) == !std::isnan(module.weights[i]));
      kept += module.scores[i] > 0;
    }
  CHECK(kept > 5);
  // Without a scorer everything enters, with weight 1 and no score.
  const auto open = small_model(
      {{"architecture", "subllm"}, {"structure", "T(T)"}, {"retention", 1.0}}, at::kFloat, kVocab);
  const InspectedText all = inspect_tokens(*open, some_text(20), *bytes_tokenizer(), 64);
  CHECK_FALSE(all.modules[0].has_scores());
  for (size_t i = 0; i < all.tokens.size(); ++i)
    CHECK((all.tokens[i].depth == 1 && all.modules[0].weights[i] == 1));
}

TEST_CASE("sublab inspect writes a page and says the same in JSON", "[end_to_end]") {
  const Workplace place;
  REQUIRE(place
              .run(place.train_arguments("a",
                                         "--set model.architecture=subllm "
                                         "--set 'model.structure=T(T)T'"))
              .code == 0);
  REQUIRE(place.run(place.train_arguments("b", "--set data.tokenizer=sentencepiece:320")).code ==
          0);
  const std::string text = "Note 3. word1 word2 <b> caf\xc3\xa9\n" + std::string(60, 'x');
  place.write("text.txt", text);
  const Ran page = place.run("inspect a --text text.txt --out page.html");
  INFO(page.err);
  REQUIRE(page.code == 0);
  CHECK_THAT(read_file(place.path("page.html")), Contains("Shade by") && Contains("enter level 1"));
  // A page that is passed on does not name the folders of its author.
  const std::string folder = place.path("").string();
  REQUIRE(place.run("inspect " + folder + "a " + folder + "a --text " + folder + "text.txt").code ==
          0);
  CHECK_THAT(read_file(place.path("inspect.html")),
             !Contains(folder) && Contains("text.txt, token by token"));
  fs::remove(place.path("inspect.html"));
  const json made = json::parse(place.run("inspect a --text text.txt --json").out);
  const json& side = made.at("checkpoints")[0];
  CHECK(made.at("shown_bytes") == text.size());
  double loss = 0;
  for (size_t i = 1; i < side.at("loss_nats").size(); ++i)
    loss += side["loss_nats"][i].get<double>();
  const json eval =
      json::parse(place.run("eval --model a --text text.txt --context 32 --stride 32 --json").out);
  CHECK(loss / static_cast<double>(text.size()) ==
        Approx(eval.at("loss_nats").get<double>()).epsilon(1e-6));
  CHECK_FALSE(fs::exists(place.path("inspect.html")));  // --json alone writes no page

  const json cut = json::parse(place.run("inspect a --text text.txt --max-tokens 28 --json").out);
  CHECK(cut.at("checkpoints")[0].at("text").back() == "\\xC3");
  const json both = json::parse(place.run("inspect a b --text text.txt --json").out);
  CHECK(both.at("alignment") == "bytes");
  CHECK(both.at("checkpoints")[1].at("modules").empty());
  const json twice = json::parse(place.run("inspect a a --text text.txt --json").out);
  CHECK(twice.at("alignment") == "tokens");
  CHECK(twice.at("comparison").at("Overlap of the kept sets").at("level 1").at("overlap") == 1);
}

TEST_CASE("what cannot be inspected is refused in one line", "[end_to_end]") {
  const Workplace place;
  REQUIRE(place.run(place.train_arguments("a")).code == 0);
  place.write("text.txt", "word1");
  place.write("empty.txt", "");
  place.write("bytes.txt", "\xff");
  const auto check_refused = [&](const std::string& command, const std::string& expected) {
    const Ran ran = place.run("inspect " + command);
    INFO(command << "\n" << ran.err);
    CHECK(ran.code == 2);
    CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
    CHECK_THAT(ran.err, Contains(expected));
    CHECK(ran.out.empty());
    for (const auto& entry : fs::directory_iterator(place.path("")))
      CHECK_THAT(entry.path().filename().string(), !Contains(".html") && !Contains(".tmp"));
  };
  check_refused("a --text nowhere.txt", "nowhere.txt");
  check_refused("a --text empty.txt", "is empty");
  check_refused("a --text bytes.txt", "not UTF-8");
  check_refused("notes --text text.txt", "holds no config.json");
  check_refused("a notes --text text.txt", "holds no config.json");
  check_refused("a --text text.txt --out text.txt/page.html", "text.txt");
  check_refused("a --text text.txt --json --out notes", "notes: cannot write");
  check_refused("a --text text.txt --max-tokens 0", "--max-tokens");
  check_refused("a", "--text");
}

TEST_CASE("a text that a tokenizer makes nothing of is refused", "[unit]") {
  Checkpoint checkpoint;
  checkpoint.model = small_model(kModels[0], at::kFloat, kVocab);
  checkpoint.tokenizer = bytes_tokenizer();
  checkpoint.info.context_len = 16;
  CHECK_THROWS_WITH(inspect_text({{"ckpt", &checkpoint}}, "blank.txt", "", 10, {}),
                    Contains("blank.txt: has no tokens for the tokenizer of ckpt"));
}

// Generation is what evaluation would have chosen, token by token; text comes in whole characters.
#include "experiments/generate/generate.h"

#include <catch2/catch.hpp>

#include "data/text/documents.h"
#include "tests/experiments/shell.h"
#include "tests/models/small_models.h"

using namespace sublab;
using Catch::Contains;

namespace {

const std::vector<json> kModels = {
    {{"architecture", "llama"}, {"n_layers", 2}},
    {{"architecture", "subllm"}, {"structure", "T(T(T))T"}, {"retention", 0.64}}};

constexpr int64_t kBoundary = 0;
const std::vector<int64_t> kPrompt = {5, 9, 2, 44, 17};

std::vector<int64_t> tokens_of(const LanguageModel& model, const GenerateConfig& config) {
  std::vector<int64_t> heard;
  const auto listen = [&](int64_t id) { heard.push_back(id); };
  const Generated made = generate(model, kPrompt, kBoundary, {kBoundary}, config, listen);
  CHECK(heard == made.ids);
  return made.ids;
}

GenerateConfig sampling(double temperature, double top_p, int64_t seed) {
  GenerateConfig config;
  config.max_tokens = 12;
  config.temperature = temperature;
  config.top_p = top_p;
  config.seed = seed;
  return config;
}

}  // namespace

TEST_CASE("greedy generation is what evaluation finds most likely", "[contract]") {
  at::NoGradGuard no_grad;
  for (const json& config : kModels) {
    INFO(config.dump());
    const auto model = small_model(config, at::kDouble);
    GenerateConfig settings;
    settings.max_tokens = 12;
    const Generated made =
        generate(*model, kPrompt, kBoundary, {kBoundary}, settings, [](int64_t) {});
    std::vector<int64_t> row = {kBoundary};
    row.insert(row.end(), kPrompt.begin(), kPrompt.end());
    for (const int64_t id : made.ids) {
      const Batch batch{at::tensor(row, at::kLong),
                        Rows::contiguous({static_cast<int64_t>(row.size())})};
      const at::Tensor hidden = run_model(*model, batch, nullptr, Run{});
      CHECK(at::mv(model->head_weight(), hidden[-1]).argmax().item<int64_t>() == id);
      row.push_back(id);
    }
    CHECK(made.n_read == static_cast<int64_t>(1 + kPrompt.size()) + made.n_steps);
    CHECK(made.kv_cache_bytes > 0);
    CHECK(made.reached.size() == model->selection_sites().size());
    for (size_t m = 1; m < made.reached.size(); ++m) CHECK(made.reached[m] <= made.reached[m - 1]);
  }
}

TEST_CASE("the same seed gives the same text, another seed another", "[unit]") {
  const auto model = small_model(kModels[0]);
  const auto first = tokens_of(*model, sampling(1.5, 1, 1));
  CHECK(tokens_of(*model, sampling(1.5, 1, 1)) == first);
  CHECK(tokens_of(*model, sampling(1.5, 1, 2)) != first);
  // A nucleus of one token is the most likely token.
  CHECK(tokens_of(*model, sampling(1.5, 1e-9, 3)) == tokens_of(*model, sampling(0, 1, 1)));
}

TEST_CASE("generation stops at the boundary, which is no part of the text", "[unit]") {
  const auto model = small_model(kModels[0]);
  GenerateConfig long_enough = sampling(3, 1, 1);
  long_enough.max_tokens = 2000;
  const Generated made =
      generate(*model, kPrompt, kBoundary, {kBoundary}, long_enough, [](int64_t) {});
  CHECK(made.stopped_by == kBoundary);
  CHECK(made.ids.size() < 2000);
  CHECK(std::find(made.ids.begin(), made.ids.end(), kBoundary) == made.ids.end());
  CHECK_THROWS_WITH(generate(*model, {}, kBoundary, {kBoundary}, sampling(0, 1, 1), [](int64_t) {}),
                    Contains("has no tokens"));
}

TEST_CASE("tokens are chosen by their probability within the nucleus", "[unit]") {
  const at::Tensor logits = at::tensor({0.5, 0.3, 0.2}, at::kDouble).log();
  CHECK(choose_token(logits, sampling(0, 1, 1), 0.99) == 0);
  CHECK(choose_token(logits, sampling(1, 1, 1), 0.49) == 0);
  CHECK(choose_token(logits, sampling(1, 1, 1), 0.51) == 1);
  CHECK(choose_token(logits, sampling(1, 1, 1), 0.81) == 2);
  CHECK(choose_token(logits, sampling(1, 0.7, 1), 0.99) == 1);  // 0.5 + 0.3 reach 0.7
  CHECK(choose_token(logits, sampling(1, 0.4, 1), 0.99) == 0);
  // At temperature 1/2 the probabilities are squared: 25 : 9 : 4.
  CHECK(choose_token(logits, sampling(0.5, 1, 1), 25.0 / 38 - 1e-9) == 0);
  CHECK(choose_token(logits, sampling(0.5, 1, 1), 25.0 / 38 + 1e-9) == 1);
  CHECK(choose_token(at::tensor({1.0, 3.0, 3.0}), sampling(0, 1, 1), 0) == 1);
  CHECK_THROWS_WITH(choose_token(at::tensor({1.0, NAN}), sampling(0, 1, 1), 0),
                    Contains("not finite"));
}

TEST_CASE("text comes in whole characters, and what is none is replaced", "[unit]") {
  const auto bytes = bytes_tokenizer();
  const auto stream_of = [&](const std::string& text) {
    TextStream stream(*bytes);
    std::vector<std::string> pieces;
    for (const char c : text) pieces.push_back(stream.add(static_cast<uint8_t>(c)));
    pieces.push_back(stream.finish());
    return pieces;
  };
  CHECK(stream_of("a\xc3\xa9") == std::vector<std::string>{"a", "", "\xc3\xa9", ""});
  CHECK(stream_of("\xf0\x9f\x98\x80") ==
        std::vector<std::string>{"", "", "", "\xf0\x9f\x98\x80", ""});
  const std::string bad = "\xef\xbf\xbd";
  CHECK(stream_of("\xffz") == std::vector<std::string>{bad, "z", ""});
  CHECK(stream_of("\xc3z") == std::vector<std::string>{"", bad + "z", ""});
  CHECK(stream_of("\xe2z") == std::vector<std::string>{"", bad + "z", ""});
  CHECK(stream_of("z\xe2\x96") == std::vector<std::string>{"z", "", "", bad + bad});
  TextStream stream(*bytes);
  CHECK(stream.add(256).empty());  // the boundary has no text
}

TEST_CASE("pieces and byte pieces of SentencePiece come out as the text that went in", "[unit]") {
  const Workplace place;
  const auto tokenizer = make_tokenizer("sentencepiece:320", {"notes"}, 0, "test");
  const std::string text = "word1  word2.\n caf\xc3\xa9 \xf0\x9f\x98\x80 \xe2\x96\x81x ";
  TextStream stream(*tokenizer);
  std::string out;
  for (const int32_t id : tokenizer->encode(text)) {
    const std::string piece = stream.add(id);
    CHECK(invalid_utf8(piece) == std::string::npos);
    out += piece;
  }
  CHECK(out == text);
  CHECK(stream.finish().empty());
}

TEST_CASE("sublab generate streams the text that its JSON holds", "[end_to_end]") {
  const Workplace place;
  REQUIRE(place
              .run(place.train_arguments("ckpt",
                                         "--set model.architecture=subllm "
                                         "--set 'model.structure=T(T)'"))
              .code == 0);
  const std::string command = "generate ckpt --prompt 'word1 ' --max-tokens 9";
  const Ran plain = place.run(command);
  INFO(plain.err);
  REQUIRE(plain.code == 0);
  CHECK_THAT(plain.err, Contains("tokens/s") && Contains("reached level 1"));
  const json made = json::parse(place.run(command + " --json").out);
  CHECK(made.at("text").get<std::string>() + "\n" == plain.out);
  CHECK(made.at("prompt_tokens") == 6);
  CHECK(made.at("reached").size() == 1);
  // Nothing enters the inner level above any score: its cache stays empty.
  const json shallow =
      json::parse(place.run(command + " --set model.evaluate_selector.threshold=1e6 --json").out);
  CHECK(shallow.at("reached")[0].at("share") == 0);
  CHECK(shallow.at("kv_cache_bytes") < made.at("kv_cache_bytes"));
  const std::string sampled = command + " --temperature 1 --top-p 0.9 --seed ";
  CHECK(place.run(sampled + "4").out == place.run(sampled + "4").out);
  place.write("prompt.txt", "word1 ");
  CHECK(place.run("generate ckpt --prompt-file prompt.txt --max-tokens 9").out == plain.out);
}

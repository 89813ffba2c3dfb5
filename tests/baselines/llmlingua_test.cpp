// LLMLingua against its definition: surprise read off whole rows, by hand.
#include <catch2/catch.hpp>
#include <cmath>

#include "core/safetensors.h"
#include "models/entries/compression.h"
#include "models/parts/lm_head.h"
#include "tests/lowercasing_tokenizer.h"
#include "tests/models/small_models.h"
#include "tests/temporary_folder.h"

namespace sublab {
CompressionEntry llmlingua_compression();
}

using namespace sublab;
using Catch::Contains;

namespace {

constexpr int64_t kBytes = 257;

std::unique_ptr<LanguageModel> reader(int64_t d_model = 32, int64_t vocab_size = kSmallVocab) {
  return small_model({{"architecture", "llama"}, {"n_layers", 2}, {"d_model", d_model}}, at::kFloat,
                     vocab_size);
}

std::vector<int64_t> some_ids(int64_t n, int64_t below = kSmallVocab) {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < n; ++i) out.push_back((i * i + 5 * i + i / 7) % below);
  return out;
}

std::unique_ptr<PromptCompressor> compressor(const json& settings,
                                             const CompressionContext& context) {
  const CompressionEntry entry = llmlingua_compression();
  json choice = settings;
  choice["type"] = "llmlingua";
  return entry.make(entry.resolve(choice, "/compression"), context);
}

/// Without another checkpoint.
CompressionContext alone(const LanguageModel& model, const Tokenizer* tokenizer) {
  return {.model = model, .tokenizer = tokenizer, .seed = 1, .open = {}};
}

/// Surprise of the last `n` ids of a row.
std::vector<double> surprise_of(const LanguageModel& model, const std::vector<int64_t>& row,
                                size_t n) {
  const at::NoGradGuard no_grad;
  const auto all = static_cast<int64_t>(row.size());
  const Batch batch{at::tensor(row, at::kLong), Rows::contiguous({all}), {}};
  const at::Tensor hidden = run_model(model, batch, nullptr, Run{});
  const at::Tensor logits = at::mm(hidden, model.head_weight().t()).to(at::kDouble);
  std::vector<double> out;
  for (size_t i = row.size() - n; i < row.size(); ++i)
    out.push_back(-logits[static_cast<int64_t>(i) - 1].log_softmax(0)[row[i]].item<double>());
  return out;
}

/// The definition: whole rows, and who has fewer than k above it.
std::vector<int64_t> by_hand(const LanguageModel& model, const std::vector<int64_t>& ids,
                             double rate, size_t segment, int64_t boundary) {
  std::vector<int64_t> out;
  for (size_t begin = 0; begin < ids.size(); begin += segment) {
    const size_t end = std::min(begin + segment, ids.size());
    std::vector<int64_t> row = {boundary};
    row.insert(row.end(), out.begin(), out.end());
    row.insert(row.end(), ids.begin() + long(begin), ids.begin() + long(end));
    const auto surprise = surprise_of(model, row, end - begin);
    const auto k = static_cast<size_t>(std::llround(rate * double(end))) - out.size();
    std::vector<int64_t> kept;
    for (size_t i = 0; i < surprise.size(); ++i) {
      size_t above = 0;
      for (size_t j = 0; j < surprise.size(); ++j)
        above += surprise[j] > surprise[i] || (surprise[j] == surprise[i] && j < i);
      if (above < k) kept.push_back(ids[begin + i]);
    }
    out.insert(out.end(), kept.begin(), kept.end());
  }
  return out;
}

double flops_of(const LanguageModel& model, int64_t n, int64_t past, bool head) {
  CostShape shape = CostShape::whole_rows(1, n);
  shape.past_tokens = {past};
  Ledger ledger;
  model.add_cost(shape, ledger);
  double sum = 0;
  for (const LedgerLine& line : ledger.lines())
    if (head || line.part != "head") sum += line.flops_causal;
  return sum;
}

/// What `question` of this text becomes.
std::string shortened(const PromptCompressor& by, const std::string& text) {
  Question question;
  question.context = text;
  CompressionCost cost;
  return by.compress(question, cost).context;
}

}  // namespace

TEST_CASE("llmlingua keeps the most surprising of each segment behind what stays", "[numerics]") {
  const auto model = reader();
  const CompressionContext context = alone(*model, nullptr);
  for (const double rate : {0.25, 0.5, 0.9})
    for (const int64_t segment : {7, 20, 200}) {
      INFO(rate << ", segments of " << segment);
      Question question;
      question.context_ids = some_ids(50);
      question.ids = {1, 2};
      CompressionCost cost;
      const auto by = compressor({{"rate", rate}, {"segment", segment}}, context);
      const Question got = by->compress(question, cost);
      CHECK(got.context_ids == by_hand(*model, question.context_ids, rate, segment, 0));
      CHECK(got.context_ids.size() == static_cast<size_t>(std::llround(50 * rate)));
      CHECK(got.ids == question.ids);
    }
}

TEST_CASE("llmlingua at rate 1 is the identity and costs nothing; else every pass is counted",
          "[contract]") {
  const auto model = reader();
  Question question;
  question.context_ids = some_ids(30);
  const CompressionContext context = alone(*model, nullptr);
  CompressionCost none;
  CHECK(compressor({{"rate", 1}}, context)->compress(question, none).context_ids ==
        question.context_ids);
  CHECK(none.tokens_read == 0);
  CHECK(none.flops == 0);
  CompressionCost cost;
  compressor({{"segment", 20}}, context)->compress(question, cost);
  // The boundary, a segment of 20, the 10 that stay, a segment of 10.
  CHECK(cost.tokens_read == 1 + 20 + 10 + 10);
  CHECK(cost.flops == Approx(flops_of(*model, 1, 0, false) + flops_of(*model, 20, 1, true) +
                             flops_of(*model, 10, 1, false) + flops_of(*model, 10, 11, true)));
  CHECK(question.context_ids.size() == 30);
  question.context_ids.clear();
  CHECK(compressor({}, context)->compress(question, cost).context_ids.empty());
}

TEST_CASE("llmlingua reads text by another model's tokenizer, and refuses what both cannot share",
          "[contract]") {
  const TemporaryFolder folder;
  const auto model = reader(32, kBytes);
  write_tensors(folder.path / "model.safetensors", own_tensors(*reader(16, kBytes)));
  write_blank_first_tokenizer(folder.path / "tokenizer.model");
  const auto open_tokenizer = [file = folder.path / "tokenizer.model"] {
    return sentencepiece_tokenizer(read_file(file), "test");
  };
  const auto bytes = bytes_tokenizer(), other = open_tokenizer();
  const auto opening = [&](bool with_tokenizer, int64_t vocab_size) {
    return [=](const std::string&) {
      SecondModel out{.model = reader(16, vocab_size), .tokenizer = nullptr, .boundary_id = 1};
      if (with_tokenizer) out.tokenizer = open_tokenizer();
      return out;
    };
  };
  const json settings = {{"checkpoint", folder.path.string()}, {"rate", 0.5}};
  const std::string text = "note word1 word2 word3 and a River word4, word5 word6 word7.";
  const auto by = compressor(settings, {.model = *model,
                                        .tokenizer = bytes.get(),
                                        .seed = 1,
                                        .open = opening(true, other->vocab_size())});
  Question question;
  question.context = text;
  CompressionCost cost;
  const std::string got = by->compress(question, cost).context;
  CHECK(cost.tokens_read == 1 + double(other->encode(text).size()));  // and the boundary
  std::vector<int64_t> ids, kept;
  for (const int32_t id : other->encode(text)) ids.push_back(id);
  kept = by_hand(*reader(16, other->vocab_size()), ids, 0.5, 200, 1);
  CHECK(got == other->text_of({kept.begin(), kept.end()}));
  CHECK(got.size() < text.size());
  CHECK_THROWS_WITH(
      compressor(
          settings,
          {.model = *model, .tokenizer = bytes.get(), .seed = 1, .open = opening(false, kBytes)}),
      Contains("has no tokenizer, and the context is text"));
  CHECK_THROWS_WITH(
      compressor(
          settings,
          {.model = *model, .tokenizer = nullptr, .seed = 1, .open = opening(false, kBytes + 1)}),
      Contains("does not read the ids of this trial"));
  // The hash of the weights stands beside the name, and others are refused.
  const CompressionEntry entry = llmlingua_compression();
  json resolved =
      entry.resolve({{"type", "llmlingua"}, {"checkpoint", folder.path.string()}}, "/c");
  CHECK(resolved.at("weights") == weights_hash(folder.path));
  CHECK(entry.resolve(resolved, "/c") == resolved);
  resolved["weights"] = "0";
  CHECK_THROWS_WITH(entry.resolve(resolved, "/c"), Contains("/c/weights: '0', but those of"));
  CHECK_THROWS_WITH(entry.resolve({{"type", "llmlingua"}, {"weights", "0"}}, "/c"),
                    Contains("/c/weights: has no effect without a checkpoint"));
  CHECK_THROWS_WITH(entry.resolve({{"type", "llmlingua"}, {"granularity", 3}}, "/c"),
                    Contains("/c/granularity: has no effect without a separator"));
  CHECK_THROWS_WITH(entry.resolve({{"type", "llmlingua"}, {"rate", 0}}, "/c"), Contains("/c/rate"));
}

TEST_CASE("llmlingua leaves out whole parts before tokens", "[contract]") {
  const auto model = reader(32, kBytes);
  const auto bytes = bytes_tokenizer();
  const CompressionContext context = alone(*model, bytes.get());
  const std::vector<std::string> parts = {"one two three four five", "aaaaaaaaaaaaaaaaaaaaaaa",
                                          "Zq7!x#Kp0@vLw9%tRb2^mHc", "six seven eight nine te"};
  const std::string text = join(parts, "\n\n");
  std::vector<double> mean;
  for (const std::string& part : parts) {
    std::vector<int64_t> row = {bytes->boundary_id()};
    for (const int32_t id : bytes->encode(part)) row.push_back(id);
    double sum = 0;
    for (const double each : surprise_of(*model, row, part.size())) sum += each;
    mean.push_back(sum / double(part.size()));
  }
  // Room for two of four parts: 2 * 0.27 of 98 bytes.
  const json settings = {{"separator", "\n\n"}, {"rate", 0.27}};
  const auto by = compressor(settings, context);
  std::vector<std::string> two;
  for (size_t i = 0; i < parts.size(); ++i) {
    size_t above = 0;
    for (const double other : mean) above += other > mean[i];
    if (above < 2) two.push_back(parts[i]);
  }
  REQUIRE(two.size() == 2);
  const std::string whole = join(two, "\n\n");
  const double rate = 0.27 * double(text.size()) / double(whole.size());
  std::vector<int64_t> ids;
  for (const int32_t id : bytes->encode(whole)) ids.push_back(id);
  const auto kept = by_hand(*model, ids, rate, 200, bytes->boundary_id());
  CHECK(shortened(*by, text) == bytes->decode({kept.begin(), kept.end()}));
  CHECK(kept.size() == static_cast<size_t>(std::llround(0.27 * double(text.size()))));
  // As much as all of them: tokens alone go.
  CHECK(shortened(*compressor({{"separator", "\n\n"}, {"rate", 0.6}}, context), text) ==
        shortened(*compressor({{"rate", 0.6}}, context), text));
  CHECK(shortened(*by, parts[0]).size() == 6);
  CHECK_THROWS_WITH(compressor(settings, alone(*model, nullptr)),
                    Contains("splits text, and this trial has no tokenizer"));
}

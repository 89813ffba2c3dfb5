// Controls that draw: what the draw depends on, and what it does not.
#include <catch2/catch.hpp>
#include <cmath>

#include "core/random.h"
#include "tests/models/small_models.h"

using namespace sublab;

namespace {

const Parts& parts() { return tree_catalog().parts; }

std::unique_ptr<Scorer> drawing(const std::string& name, uint64_t seed, int64_t site,
                                double retention) {
  ScorerContext context;
  context.name = "s";
  context.site = site;
  context.d_model = 4;
  context.vocab_size = kSmallVocab;
  context.retention = retention;
  context.initial = seed;
  return find_entry(parts().scorers, "scorer", name, "test").make(json::object(), context);
}

/// Scores of whole rows of `tokens`.
std::vector<double> scores_of(const Scorer& scorer, const std::vector<std::vector<int64_t>>& rows) {
  std::vector<int64_t> lengths, tokens;
  for (const auto& row : rows) {
    lengths.push_back(static_cast<int64_t>(row.size()));
    tokens.insert(tokens.end(), row.begin(), row.end());
  }
  const at::Tensor all = at::tensor(tokens, at::kLong), hints;
  const at::Tensor x = at::zeros({all.size(0), 4}, at::kDouble);
  const auto memory = scorer.new_memory(static_cast<int64_t>(rows.size()));
  const RowsPtr shape = Rows::contiguous(lengths);
  const at::Tensor out = scorer.scores({{x, *shape, all, hints}, Run{}, memory.get()}).contiguous();
  return {out.const_data_ptr<double>(), out.const_data_ptr<double>() + out.numel()};
}

std::vector<int64_t> row_of_ids(uint64_t seed, int64_t n) {
  RandomSequence random(stream_key(seed, "row"));
  std::vector<int64_t> out;
  for (int64_t i = 0; i < n; ++i) out.push_back(static_cast<int64_t>(random.below(kSmallVocab)));
  return out;
}

}  // namespace

TEST_CASE("random is its definition, hashed token by token", "[unit]") {
  const auto key = stream_key(5, "random_scorer", 2);
  const auto row = row_of_ids(1, 40);
  const auto scores = scores_of(*drawing("random", 5, 2, 0.3), {row_of_ids(2, 7), row});
  uint64_t h = 0;
  for (size_t t = 0; t < row.size(); ++t) {
    h += mix_bits(static_cast<uint64_t>(row[t]) ^ mix_bits(t));
    CHECK(scores[7 + t] == 0.3 - unit_interval(mix_bits(key ^ h)));
  }
}

TEST_CASE("random draws another mask in every row, random_places the same one", "[unit]") {
  const int64_t n = 4000;
  for (const char* name : {"random", "random_places"}) {
    INFO(name);
    const auto scores = scores_of(*drawing(name, 1, 0, 0.5), {row_of_ids(1, n), row_of_ids(2, n)});
    double agree = 0, kept = 0;
    for (int64_t t = 0; t < n; ++t) {
      agree += (scores[t] > 0) == (scores[n + t] > 0);
      kept += scores[t] > 0;
    }
    CHECK(std::abs(kept / n - 0.5) < 5 * 0.5 / std::sqrt(n));
    if (std::string(name) == "random")
      CHECK(std::abs(agree / n - 0.5) < 5 * 0.5 / std::sqrt(n));
    else
      CHECK(agree == n);
  }
}

TEST_CASE("random draws from a row's own past, a seed and a site", "[unit]") {
  const auto row = row_of_ids(1, 64);
  auto changed = row;
  changed[32] = (changed[32] + 1) % kSmallVocab;
  const auto scorer = drawing("random", 1, 0, 0.5);
  const auto before = scores_of(*scorer, {row}), after = scores_of(*scorer, {changed});
  for (size_t t = 0; t < row.size(); ++t) CHECK((before[t] == after[t]) == (t < 32));
  CHECK(scores_of(*drawing("random", 2, 0, 0.5), {row}) != before);
  CHECK(scores_of(*drawing("random", 1, 1, 0.5), {row}) != before);
}

TEST_CASE("what a frozen scorer draws is what a learned one starts from, and stays", "[unit]") {
  const auto model = [](const char* scorer) {
    return small_model({{"architecture", "subllm"}, {"structure", "T(T)T"}, {"scorer", scorer}});
  };
  const auto learned = model("learned"), frozen = model("frozen");
  at::Tensor start;
  for (const Parameter& parameter : learned->parameters())
    if (parameter.name == "model.modules.0.scorer.weight") start = parameter.tensor;
  REQUIRE(start.defined());
  bool stored = false;
  for (const Buffer& buffer : frozen->buffers())
    if (buffer.name == "model.modules.0.scorer.weight") stored = buffer.tensor.equal(start);
  CHECK(stored);
  for (const Parameter& parameter : frozen->parameters())
    CHECK(parameter.name.find("scorer") == std::string::npos);
}

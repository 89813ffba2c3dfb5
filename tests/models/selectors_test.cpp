// Selectors that remember what they decided.
#include <catch2/catch.hpp>
#include <cmath>

#include "tests/models/small_models.h"

using namespace sublab;

namespace {

std::unique_ptr<Selector> selector(const json& choice) {
  const Catalog catalog = built_in_catalog();
  return make_choice(catalog.parts.selectors, "selector", choice, "test", {});
}

const Selector& causal_quantile() {
  static const auto made = selector("causal_quantile");
  return *made;
}

Selection select(const at::Tensor& scores, const Rows& rows, double retention, RowMemory& memory) {
  const at::Tensor weights = scores.clamp(0, 1);
  Selection out = causal_quantile().select({scores, weights, rows, retention, 0, Run{}, &memory});
  CHECK_FALSE(out.weights.defined());
  return out;
}

at::Tensor sequence(int64_t n, const std::function<double(int64_t)>& score) {
  at::Tensor out = at::empty({n}, at::kDouble);
  for (int64_t t = 0; t < n; ++t) out.data_ptr<double>()[t] = score(t);
  return out;
}

/// Sequences that a running quantile alone would follow astray.
std::vector<std::pair<std::string, at::Tensor>> adversarial(int64_t n) {
  RandomSequence random(stream_key(1, "heavy"));
  const auto heavy = [&](int64_t) { return std::tan(3.14159 * (random.uniform() - 0.5)); };
  return {
      {"rising", sequence(n, [](int64_t t) { return double(t); })},
      {"falling", sequence(n, [](int64_t t) { return -double(t); })},
      {"constant", sequence(n, [](int64_t) { return 1.0; })},
      {"alternating", sequence(n, [](int64_t t) { return t % 2 ? 1e9 : -1e9; })},
      {"spreading", sequence(n, [](int64_t t) { return (t % 2 ? 1.0 : -1.0) * double(t); })},
      {"up, then down", sequence(n, [n](int64_t t) { return double(t < n / 2 ? t : -t); })},
      {"steps", sequence(n, [](int64_t t) { return double(t / 500 % 2); })},
      {"infinite", sequence(n, [](int64_t t) { return t % 3 ? INFINITY : -INFINITY; })},
      {"heavy-tailed", sequence(n, heavy)},
  };
}

}  // namespace

TEST_CASE("causal_quantile holds the kept share whatever the scores do", "[unit]") {
  constexpr int64_t kTokens = 4000;
  for (const auto& [name, scores] : adversarial(kTokens))
    for (const double d : {0.05, 0.5, 0.64, 0.95}) {
      INFO(name << " at " << d);
      const auto memory = causal_quantile().new_memory(1);
      const Selection s = select(scores, *Rows::contiguous({kTokens}), d, *memory);
      const auto* next = s.index.const_data_ptr<int64_t>();
      double kept = 0, most = 0;
      for (int64_t t = 0; t < kTokens; ++t) {
        if (kept < static_cast<double>(s.index.numel()) && *next == t) ++next, ++kept;
        most = std::max(most, std::abs(kept - d * static_cast<double>(t + 1)));
      }
      CHECK(kept == static_cast<double>(s.index.numel()));
      CHECK(most <= 64 * std::max(d, 1 - d) + 1);
    }
}

TEST_CASE("causal_quantile is its definition, with the gate's weights", "[unit]") {
  at::manual_seed(1);
  const at::Tensor scores = at::randn({300}, at::kDouble).mul(4).round().div(4);  // many ties
  const double d = 0.3;
  std::vector<int64_t> expected;
  for (int64_t t = 0; t < 300; ++t) {
    const double above =
        scores.slice(0, 0, t).ge(scores[t]).sum().item<double>() / static_cast<double>(t + 1);
    if (above < d + (d * double(t) - static_cast<double>(expected.size())) / 64)
      expected.push_back(t);
  }
  const auto memory = causal_quantile().new_memory(1);
  const Selection s = select(scores, *Rows::contiguous({300}), d, *memory);
  CHECK(s.index.equal(at::tensor(expected, at::kLong)));
  CHECK(s.lengths == std::vector<int64_t>{static_cast<int64_t>(expected.size())});
}

TEST_CASE("causal_quantile decides the same for every cut, a row as if alone", "[unit]") {
  at::manual_seed(2);
  const RowsPtr rows = Rows::contiguous({60, 0, 1, 45});
  const at::Tensor scores = at::randn({106}, at::kDouble);
  const auto whole_memory = causal_quantile().new_memory(4);
  const Selection whole = select(scores, *rows, 0.4, *whole_memory);
  for (int64_t cut = 0; cut <= 60; ++cut) {
    const auto memory = causal_quantile().new_memory(4);
    std::vector<std::vector<int64_t>> kept(4);
    for (const bool second : {false, true}) {
      std::vector<int64_t> begin, take;
      std::vector<at::Tensor> part;
      for (int64_t b = 0; b < 4; ++b) {
        const int64_t first = std::min(cut, rows->length(b));
        begin.push_back(second ? first : 0);
        take.push_back(second ? rows->length(b) - first : first);
        part.push_back(
            scores.slice(0, rows->begin(b) + begin[b], rows->begin(b) + begin[b] + take[b]));
      }
      const RowsPtr some = Rows::contiguous(take, begin);
      const Selection s = select(at::cat(part), *some, 0.4, *memory);
      const auto* next = s.index.const_data_ptr<int64_t>();
      for (int64_t b = 0; b < 4; ++b)
        for (int64_t i = 0; i < s.lengths[b]; ++i)
          kept[b].push_back(rows->begin(b) + begin[b] + *next++ - some->begin(b));
    }
    std::vector<int64_t> all;
    for (const auto& row : kept) all.insert(all.end(), row.begin(), row.end());
    CHECK(whole.index.equal(at::tensor(all, at::kLong)));
    CHECK(memory->n_bytes() == whole_memory->n_bytes());
  }
  for (const int64_t b : {0, 3}) {
    const auto memory = causal_quantile().new_memory(1);
    const int64_t begin = rows->begin(b), n = rows->length(b);
    const Selection alone =
        select(scores.slice(0, begin, begin + n), *Rows::contiguous({n}), 0.4, *memory);
    CHECK(alone.lengths[0] == whole.lengths[b]);
  }
}

namespace {

/// top_k and top_k_discard in plain arithmetic: kept tokens of a row and who is subtracted from
/// each, -1 for nobody.
std::vector<std::pair<int64_t, int64_t>> naive_pairs(const std::vector<double>& scores, int64_t k,
                                                     bool reverse) {
  std::vector<int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return scores[a] > scores[b]; });
  std::vector<std::pair<int64_t, int64_t>> out;
  for (int64_t i = 0; i < k; ++i) {
    const size_t partner = static_cast<size_t>(k + (reverse ? k - 1 - i : i));
    out.emplace_back(order[i], partner < order.size() ? order[partner] : -1);
  }
  std::sort(out.begin(), out.end());
  return out;
}

struct OneSide : Coins {
  explicit OneSide(bool side) : Coins(1, 0), side(side) {}
  bool flip(std::string_view, int64_t, double) const override { return side; }
  bool side;
};

}  // namespace

TEST_CASE("top_k and top_k_discard rank on the device as plain arithmetic does, ties too",
          "[numerics]") {
  at::manual_seed(3);
  for (const auto& lengths : std::vector<std::vector<int64_t>>{{12, 12, 12}, {9, 0, 1, 17}, {0}})
    for (const double d : {0.01, 0.3, 0.64, 0.9, 1.0})
      for (const bool reverse : {false, true}) {
        const RowsPtr rows = Rows::contiguous(lengths);
        const at::Tensor scores = at::randn({rows->n_tokens()}).mul(3).round().div(4);  // many ties
        const at::Tensor weights = scores.clamp(0, 1);
        const OneSide coins(reverse);
        Run run;
        run.mode = Mode::train;
        run.coins = &coins;
        std::vector<int64_t> kept;
        std::vector<float> expected;
        for (int64_t b = 0; b < rows->n_rows(); ++b) {
          const at::Tensor row = scores.slice(0, rows->begin(b), rows->begin(b) + rows->length(b))
                                     .to(at::kDouble)
                                     .contiguous();
          const auto* data = row.const_data_ptr<double>();
          const auto pairs =
              naive_pairs({data, data + row.numel()}, kept_tokens(rows->length(b), d), reverse);
          for (const auto& [token, lost] : pairs) {
            const auto weight = [&](int64_t t) {
              return weights[rows->begin(b) + t].item<float>();
            };
            kept.push_back(rows->begin(b) + token);
            expected.push_back(weight(token) - (lost < 0 ? 0 : weight(lost)));
          }
        }
        for (const char* name : {"top_k", "top_k_discard"}) {
          const Selection s = selector(name)->select({scores, weights, *rows, d, 0, run, nullptr});
          INFO(name << " d " << d);
          CHECK(s.index.equal(at::tensor(kept, at::kLong)));
          if (s.weights.defined()) CHECK(s.weights.equal(at::tensor(expected)));
        }
      }
}

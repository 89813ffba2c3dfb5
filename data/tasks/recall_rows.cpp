// What teaches associative recall, as data.train_on asks for it.
#include "data/tasks/recall_rows.h"

#include <algorithm>
#include <cmath>

namespace sublab {
namespace recall_rows {

struct Config {
  std::string task = "recall";
  int64_t n_pairs = 4;
  double power_a = 0;

  template <class F>
  void fields(F& f) {
    f("task", task, "recall", one_of({"recall"}));
    f("n_pairs", n_pairs, "key-value pairs per row", within(1, RecallRows::kSymbols));
    f("power_a", power_a,
      "above 0: each key is asked once, at a gap with weight gap^(power_a - 1) (Zoology: 0.01); 0 "
      "= "
      "queries all over the rest",
      within(0, 10));
  }
};

Config read(const json& given, const std::string& path) {
  Config config;
  read_fields(given, path, config);
  return config;
}

/// Without what is off, as rows were written before there was power_a.
json written(const Config& config) {
  json out = write_fields(config);
  if (config.power_a == 0) out.erase("power_a");
  return out;
}

}  // namespace recall_rows

RecallRows::RecallRows(int64_t length, int64_t n_pairs, uint64_t seed, const char* stream,
                       double power_a)
    : length_(length), n_pairs_(n_pairs), power_a_(power_a), key_(stream_key(seed, stream)) {}

void RecallRows::check_room(int64_t n_pairs, int64_t length, const std::string& what,
                            const std::string& path, double power_a) {
  const std::string at = path + "/n_pairs";
  if (power_a > 0 && n_pairs == kSymbols)
    throw UserError(at, "with power_a, " + std::to_string(kSymbols) +
                            " pairs leave no symbol to fill gaps with");
  // A query and its answer after the pairs, or all of them and as much to spare.
  const int64_t needed = power_a > 0 ? 4 * n_pairs : 2 * n_pairs + 2;
  if (length < needed)
    throw UserError(at, std::to_string(n_pairs) + " pairs leave no room for a query in " + what +
                            " " + std::to_string(length) + "; that takes " +
                            std::to_string(needed));
}

std::vector<int64_t> RecallRows::asked_pairs(RandomSequence& random) const {
  std::vector<int64_t> out(static_cast<size_t>(length_ / 2 - n_pairs_), -1);
  if (power_a_ == 0) {
    for (int64_t& pair : out) pair = static_cast<int64_t>(random.below(n_pairs_));
    return out;
  }
  // The smallest of exponential variates with these weights are a draw without replacement
  // (Efraimidis, Spirakis 2006).
  std::vector<std::pair<double, size_t>> draws;
  for (size_t gap = 0; gap < out.size(); ++gap)
    draws.emplace_back(
        -std::log1p(-random.uniform()) / std::pow(static_cast<double>(gap + 1), power_a_ - 1), gap);
  std::partial_sort(draws.begin(), draws.begin() + n_pairs_, draws.end());
  for (int64_t pair = 0; pair < n_pairs_; ++pair)
    out[draws[static_cast<size_t>(pair)].second] = pair;
  return out;
}

TokenRow RecallRows::row(int64_t index) const {
  RandomSequence random(mix_bits(key_ ^ static_cast<uint64_t>(index)));
  std::vector<int64_t> keys(kSymbols);
  for (int64_t k = 0; k < kSymbols; ++k) keys[k] = k;
  random.shuffle(keys);
  std::vector<int64_t> values(n_pairs_);
  for (int64_t& value : values) value = kSymbols + static_cast<int64_t>(random.below(kSymbols));
  const std::vector<int64_t> asked = asked_pairs(random);
  TokenRow out;
  const auto add = [&](int64_t key, int64_t value, int64_t label, double hint, double answer_hint) {
    out.tokens.insert(out.tokens.end(), {key, value});
    out.labels.insert(out.labels.end(), {label, TokenRow::kIgnoredLabel});
    out.hints.insert(out.hints.end(), {hint, answer_hint});
  };
  for (int64_t pair = 0; pair < n_pairs_; ++pair)
    add(keys[pair], values[pair], TokenRow::kIgnoredLabel, 1, 1);
  const auto other = [&] {  // a key that the row never states
    const auto n = static_cast<uint64_t>(kSymbols - n_pairs_);
    return keys[static_cast<size_t>(n_pairs_) + random.below(n)];
  };
  for (const int64_t pair : asked) {
    if (pair >= 0) {
      // A query's own answer repeats what was stated.
      add(keys[pair], values[pair], values[pair], 1, 0);
      continue;
    }
    const int64_t first = other();
    add(first, other(), TokenRow::kIgnoredLabel, 0, 0);
  }
  out.lengths = {static_cast<int64_t>(out.tokens.size())};
  for (size_t i = 0; i < out.tokens.size(); ++i) out.positions.push_back(static_cast<int64_t>(i));
  return out;
}

const std::vector<std::string>& RecallRows::role_names(double power_a) {
  static const std::vector<std::string> dense = {"query key", "stated key", "stated value",
                                                 "answer"};
  static const std::vector<std::string> sparse = {"query key", "stated key", "stated value",
                                                  "answer", "filler"};
  return power_a > 0 ? sparse : dense;
}

std::vector<uint8_t> RecallRows::roles_of(const TokenRow& row) const {
  constexpr uint8_t kQuery = 0, kStatedKey = 1, kStatedValue = 2, kAnswer = 3, kFiller = 4;
  std::vector<uint8_t> out;
  for (size_t i = 0; i < row.tokens.size(); ++i) {
    const bool key = i % 2 == 0, stated = static_cast<int64_t>(i) < 2 * n_pairs_;
    const bool asked = row.labels[key ? i : i - 1] >= 0;
    out.push_back(stated ? (key ? kStatedKey : kStatedValue)
                         : (!asked ? kFiller
                            : key  ? kQuery
                                   : kAnswer));
  }
  return out;
}

RowMaker recall_rows_maker() {
  RowMaker maker;
  maker.name = "recall";
  maker.summary = "rows that state key-value pairs and ask for the values again";
  maker.source = "arXiv:2312.04927";
  maker.gives_hints = true;
  maker.describe = [] { return describe_fields<recall_rows::Config>(); };
  maker.resolve = [](const json& given, const std::string& path, int64_t context_len) {
    const auto config = recall_rows::read(given, path);
    RecallRows::check_room(config.n_pairs, context_len, "data.context_len", path, config.power_a);
    return recall_rows::written(config);
  };
  maker.rows = [](const json& resolved, int64_t context_len, uint64_t seed) {
    const auto config = recall_rows::read(resolved, "/data/train_on");
    return std::make_unique<RecallRows>(context_len, config.n_pairs, seed, "recall/train",
                                        config.power_a);
  };
  return maker;
}

}  // namespace sublab

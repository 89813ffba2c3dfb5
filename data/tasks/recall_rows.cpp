// What teaches associative recall, as data.train_on asks for it.
#include "data/tasks/recall_rows.h"

#include "core/random.h"

namespace sublab {
namespace recall_rows {

struct Config {
  std::string task = "recall";
  int64_t n_pairs = 4;

  template <class F>
  void fields(F& f) {
    f("task", task, "recall", one_of({"recall"}));
    f("n_pairs", n_pairs, "key-value pairs per row", within(1, RecallRows::kSymbols));
  }
};

Config read(const json& given, const std::string& path) {
  Config config;
  read_fields(given, path, config);
  return config;
}

}  // namespace recall_rows

RecallRows::RecallRows(int64_t length, int64_t n_pairs, uint64_t seed, const char* stream)
    : length_(length), n_pairs_(n_pairs), key_(stream_key(seed, stream)) {}

void RecallRows::check_room(int64_t n_pairs, int64_t length, const std::string& what,
                            const std::string& path) {
  const int64_t needed = 2 * n_pairs + 2;  // a query and its answer after the pairs
  if (length < needed)
    throw UserError(path + "/n_pairs",
                    std::to_string(n_pairs) + " pairs leave no room for a query in " + what + " " +
                        std::to_string(length) + "; that takes " + std::to_string(needed));
}

TokenRow RecallRows::row(int64_t index) const {
  RandomSequence random(mix_bits(key_ ^ static_cast<uint64_t>(index)));
  std::vector<int64_t> keys(kSymbols);
  for (int64_t k = 0; k < kSymbols; ++k) keys[k] = k;
  random.shuffle(keys);
  std::vector<int64_t> values(n_pairs_);
  for (int64_t& value : values) value = kSymbols + static_cast<int64_t>(random.below(kSymbols));
  TokenRow out;
  for (int64_t i = 0; 2 * i + 1 < length_; ++i) {
    const bool asks = i >= n_pairs_;
    const int64_t pair = asks ? static_cast<int64_t>(random.below(n_pairs_)) : i;
    out.tokens.insert(out.tokens.end(), {keys[pair], values[pair]});
    out.labels.insert(out.labels.end(),
                      {asks ? values[pair] : TokenRow::kIgnoredLabel, TokenRow::kIgnoredLabel});
    // A query's own answer repeats what was stated.
    out.hints.insert(out.hints.end(), {1.0, asks ? 0.0 : 1.0});
  }
  out.lengths = {static_cast<int64_t>(out.tokens.size())};
  for (size_t i = 0; i < out.tokens.size(); ++i) out.positions.push_back(static_cast<int64_t>(i));
  return out;
}

const std::vector<std::string>& RecallRows::role_names() {
  static const std::vector<std::string> names = {"query key", "stated key", "stated value",
                                                 "answer"};
  return names;
}

std::vector<uint8_t> RecallRows::roles_of(const TokenRow& row) const {
  std::vector<uint8_t> out;
  for (size_t i = 0; i < row.tokens.size(); ++i) {
    const bool key = i % 2 == 0, stated = static_cast<int64_t>(i) < 2 * n_pairs_;
    out.push_back(stated ? (key ? 1 : 2) : (key ? 0 : 3));
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
    RecallRows::check_room(config.n_pairs, context_len, "data.context_len", path);
    return write_fields(config);
  };
  maker.rows = [](const json& resolved, int64_t context_len, uint64_t seed) {
    const auto config = recall_rows::read(resolved, "/data/train_on");
    return std::make_unique<RecallRows>(context_len, config.n_pairs, seed, "recall/train");
  };
  return maker;
}

}  // namespace sublab

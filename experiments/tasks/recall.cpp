// Multi-query associative recall (arXiv:2312.04927): a row states key-value pairs, then asks for
// the value of every key again, in random order with repeats.
//
//   tokens  k1 v1 k2 v2 k1 v1 k2 v2 k2 v2 ...
//   labels   .  .  .  . v1  . v2  . v2  . ...      (. = not scored)
//   hints    1  1  1  1  1  0  1  0  1  0 ...      (0 = nothing later needs it)
//
// The answer to a query is the next token, so the task is next-token prediction. Chance: 1 /
// n_values.
#include "core/random.h"
#include "core/schema/arrays.h"
#include "core/schema/metrics.h"
#include "experiments/tasks/task.h"
#include "experiments/train/train.h"
#include "models/parts/lm_head.h"

namespace sublab {
namespace recall {

constexpr int64_t kSymbols = 64;  // keys are 0..63, values 64..127
constexpr int64_t kVocabSize = 2 * kSymbols;

struct Config {
  std::string task = "recall";
  int64_t n_pairs = 4;
  int64_t n_rows = 512;

  template <class F>
  void fields(F& f) {
    f("task", task, "recall", one_of({"recall"}));
    f("n_pairs", n_pairs, "key-value pairs per row", within(1, kSymbols));
    f("n_rows", n_rows, "rows to answer", within(1, 1 << 20));
  }
};

/// Rows of the stream `name` of `seed`: training and evaluation rows come from streams of their
/// own.
class RecallRows : public RowSource {
 public:
  RecallRows(int64_t context_len, int64_t n_pairs, uint64_t seed, const char* name)
      : context_len_(context_len), n_pairs_(n_pairs), key_(stream_key(seed, name)) {}

  TokenRow row(int64_t index) const override {
    RandomSequence random(mix_bits(key_ ^ static_cast<uint64_t>(index)));
    std::vector<int64_t> keys(kSymbols);
    for (int64_t k = 0; k < kSymbols; ++k) keys[k] = k;
    random.shuffle(keys);
    std::vector<int64_t> values(n_pairs_);
    for (int64_t& value : values) value = kSymbols + static_cast<int64_t>(random.below(kSymbols));
    TokenRow out;
    for (int64_t i = 0; 2 * i + 1 < context_len_; ++i) {
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
  int64_t context_len() const override { return context_len_ / 2 * 2; }
  int64_t vocab_size() const override { return kVocabSize; }

 private:
  int64_t context_len_, n_pairs_;
  uint64_t key_;
};

Config read(const json& given, const std::string& path) {
  Config config;
  read_fields(given, path, config);
  return config;
}

json resolve(const json& given, const std::string& path, const DataConfig& data) {
  const Config config = read(given, path);
  if (data.train_on != "recall")
    throw UserError(path,
                    "recall needs a trial with data.train_on recall (its own symbols), not '" +
                        data.train_on + "'");
  if (2 * config.n_pairs >= data.context_len)
    throw UserError(path + "/n_pairs", std::to_string(config.n_pairs) +
                                           " pairs leave no room for a query in data.context_len " +
                                           std::to_string(data.context_len));
  return write_fields(config);
}

/// Right answers by the place of the query and by where its pair was last stated.
class PlaceCounts {
 public:
  explicit PlaceCounts(int64_t context_len)
      : context_len_(context_len),
        n_places_(std::min<int64_t>(8, context_len)),
        counts_(n_places_ * kDepths * 2, 0) {}

  /// `hits` holds one flag per token of the row.
  void add(const TokenRow& row, const bool* hits) {
    std::vector<int64_t> stated(kSymbols, 0);  // where each key stood last
    for (size_t i = 0; i < row.tokens.size(); i += 2) {
      const auto query = static_cast<int64_t>(i);
      int64_t& last = stated[row.tokens[i]];
      if (row.labels[i] >= 0) {
        double* cell =
            &counts_[2 * (query * n_places_ / context_len_ * kDepths + last * kDepths / query)];
        cell[0] += hits[i];
        cell[1] += 1;
      }
      last = query;
    }
  }

  /// [places, depths, 4]: end of the place's bin in tokens, middle of the depth's bin, right,
  /// asked.
  void write(Evaluation& evaluation) const {
    std::vector<double> out;
    for (int64_t p = 0; p < n_places_; ++p)
      for (int64_t d = 0; d < kDepths; ++d) {
        const double* cell = &counts_[2 * (p * kDepths + d)];
        const int64_t end = ((p + 1) * context_len_ + n_places_ - 1) / n_places_;
        out.insert(out.end(), {static_cast<double>(end), (static_cast<double>(d) + 0.5) / kDepths,
                               cell[0], cell[1]});
      }
    evaluation.add_array(array::kByLengthDepth, out,
                         {n_places_, kDepths, array::kLengthDepthColumns});
  }

 private:
  static constexpr int64_t kDepths = 5;
  int64_t context_len_, n_places_;
  std::vector<double> counts_;
};

void evaluate(const json& resolved, const TaskContext& context, Evaluation& out) {
  at::NoGradGuard no_grad;
  const Config config = read(resolved, "/evaluate");
  const RecallRows rows(context.config.data.context_len, config.n_pairs, context.seed,
                        "recall/evaluate");
  constexpr int64_t kRowsPerPass = 64;
  double hits = 0, asked = 0;
  PlaceCounts places(rows.context_len());
  for (int64_t first = 0; first < config.n_rows; first += kRowsPerPass) {
    const auto batch = make_batch(rows, first, std::min(kRowsPerPass, config.n_rows - first));
    const at::Tensor hidden = run_model(context.model, batch.batch, nullptr, Run{});
    const at::Tensor hit =
        token_hits(hidden, context.model.head_weight(), batch.labels).cpu().contiguous();
    hits += hit.sum().item<double>();
    asked += static_cast<double>(batch.n_labels);
    const int64_t n_rows = std::min(kRowsPerPass, config.n_rows - first);
    for (int64_t r = 0; r < n_rows; ++r)
      places.add(rows.row(first + r), hit.const_data_ptr<bool>() + r * rows.context_len());
  }
  places.write(out);
  out.add(metric::accuracy_of(out.about().task), hits / asked,
          {{"chance", 1.0 / kSymbols},
           {"n", asked},
           {"n_rows", config.n_rows},
           {"n_pairs", config.n_pairs},
           {"context", context.config.data.context_len}});
}

}  // namespace recall

TaskEntry recall_task() {
  TaskEntry entry;
  entry.name = "recall";
  entry.summary = "multi-query associative recall: say the value that a key had";
  entry.source = "arXiv:2312.04927";
  entry.describe = [] { return describe_fields<recall::Config>(); };
  entry.resolve = recall::resolve;
  entry.evaluate = recall::evaluate;
  entry.gives_hints = true;
  entry.training_rows = [](const DataConfig& data, const json& task, int64_t seed) {
    const auto config = recall::read(task, "/evaluate");
    return std::make_unique<recall::RecallRows>(data.context_len, config.n_pairs, seed,
                                                "recall/train");
  };
  return entry;
}

}  // namespace sublab

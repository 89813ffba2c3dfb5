// Multi-query associative recall (arXiv:2312.04927): asks and scores. Its rows, and those that
// teach it, are data/tasks/recall_rows.h's. Several entries with a length each ask one model at
// several.
#include "core/schema/arrays.h"
#include "core/schema/metrics.h"
#include "data/tasks/recall_rows.h"
#include "experiments/tasks/task.h"
#include "experiments/train/step.h"
#include "models/parts/lm_head.h"

namespace sublab {
namespace recall {

constexpr int64_t kSymbols = RecallRows::kSymbols;

struct Config {
  std::string task = "recall";
  int64_t n_pairs = 0;
  int64_t n_rows = 512;
  int64_t length = 0;

  template <class F>
  void fields(F& f) {
    f("task", task, "recall", one_of({"recall"}));
    f("n_pairs", n_pairs, "key-value pairs per row; 0 = those of data.train_on",
      within(0, kSymbols));
    f("n_rows", n_rows, "rows to answer", within(1, 1 << 20));
    f("length", length, "tokens per row, of any length; 0 = data.context_len", within(0, 1 << 24));
  }
};

Config read(const json& given, const std::string& path) {
  Config config;
  read_fields(given, path, config);
  return config;
}

json resolve(const json& given, const std::string& path, const DataConfig& data) {
  Config config = read(given, path);
  if (data.train_task() != "recall")
    throw UserError(path,
                    "recall needs a trial with data.train_on recall (its own symbols), not '" +
                        data.train_task() + "'");
  if (config.n_pairs == 0) config.n_pairs = data.train_on.at("n_pairs");
  const bool own_length = config.length > 0;
  if (!own_length) config.length = data.context_len;
  RecallRows::check_room(config.n_pairs, config.length,
                         own_length ? "a length of" : "data.context_len", path);
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
  const RecallRows rows(config.length, config.n_pairs, context.seed, "recall/evaluate");
  constexpr int64_t kMostRows = 64, kMostTokens = 1 << 14;  // of a pass
  const int64_t rows_per_pass = std::clamp<int64_t>(kMostTokens / config.length, 1, kMostRows);
  Run run;
  run.activity = &out.activity();
  run.declared_length = config.length;
  double hits = 0, asked = 0;
  PlaceCounts places(rows.context_len());
  for (int64_t first = 0; first < config.n_rows; first += rows_per_pass) {
    const auto batch = make_batch(rows, first, std::min(rows_per_pass, config.n_rows - first),
                                  context.model.device());
    const at::Tensor hidden = run_model(context.model, batch.batch, nullptr, run);
    const at::Tensor hit =
        token_hits(hidden, context.model.head_weight(), batch.labels).cpu().contiguous();
    hits += hit.sum().item<double>();
    asked += static_cast<double>(batch.n_labels);
    const int64_t n_rows = std::min(rows_per_pass, config.n_rows - first);
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
  entry.examples = {{"", {{"n_rows", 32}}}};
  return entry;
}

}  // namespace sublab

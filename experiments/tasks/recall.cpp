// Multi-query associative recall (arXiv:2312.04927): asks and scores. Its rows, and those that
// teach it, are data/tasks/recall_rows.h's. Several entries with a length each ask one model at
// several.
#include <array>
#include <bit>
#include <map>
#include <optional>

#include "core/random.h"
#include "core/schema/arrays.h"
#include "core/schema/metrics.h"
#include "data/tasks/recall_rows.h"
#include "experiments/observe/keep_counter.h"
#include "experiments/observe/kept_tokens.h"
#include "experiments/tasks/kept_by_role.h"
#include "experiments/tasks/labelled_task.h"
#include "experiments/tasks/task.h"

namespace sublab {
namespace recall {

constexpr int64_t kSymbols = RecallRows::kSymbols;

struct Config {
  std::string task = "recall";
  int64_t n_pairs = 0;
  std::optional<double> power_a;
  int64_t n_rows = 512;
  int64_t length = 0;
  bool by_reached = false;

  template <class F>
  void fields(F& f) {
    f("task", task, "recall", one_of({"recall"}));
    f("n_pairs", n_pairs, "key-value pairs per row; 0 = those of data.train_on",
      within(0, kSymbols));
    f("power_a", power_a,
      "above 0: each key is asked once, at a gap with weight gap^(power_a - 1); null = as in "
      "data.train_on",
      within(0, 10));
    f("n_rows", n_rows, "rows to answer", within(1, 1 << 20));
    f("length", length, "tokens per row, of any length; 0 = data.context_len", within(0, 1 << 24));
    f("by_reached", by_reached,
      "accuracy by the deepest level that a statement of the pair reached; with power_a always");
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
  if (!config.power_a) config.power_a = data.train_on.value("power_a", 0.0);
  const bool own_length = config.length > 0;
  if (!own_length) config.length = data.context_len;
  RecallRows::check_room(config.n_pairs, config.length,
                         own_length ? "a length of" : "data.context_len", path, *config.power_a);
  json out = write_fields(config);
  // As entries were before there were these.
  if (*config.power_a == 0) out.erase("power_a");
  if (!config.by_reached || *config.power_a > 0) out.erase("by_reached");
  return out;
}

/// Right answers by the place of the query and by where its pair was last stated.
class PlaceCounts {
 public:
  explicit PlaceCounts(int64_t context_len)
      : context_len_(context_len),
        n_places_(std::min<int64_t>(8, context_len)),
        counts_(n_places_ * kDepths * 2, 0) {}

  /// `guesses` holds the most likely next token behind each token of the row.
  void add(const TokenRow& row, const int64_t* guesses) {
    std::vector<int64_t> stated(kSymbols, 0);  // where each key stood last
    for (size_t i = 0; i < row.tokens.size(); i += 2) {
      const auto query = static_cast<int64_t>(i);
      int64_t& last = stated[row.tokens[i]];
      if (row.labels[i] >= 0) {
        double* cell =
            &counts_[2 * (query * n_places_ / context_len_ * kDepths + last * kDepths / query)];
        cell[0] += guesses[i] == row.labels[i];
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

/// Right answers row by row, and how many were some value of their row.
class Answers {
 public:
  /// `guesses` holds the most likely next token behind each token of the row.
  void add(const TokenRow& row, const int64_t* guesses, int64_t n_pairs) {
    double right = 0, asked = 0;
    uint64_t key = 0;
    std::array<bool, RecallRows::kVocabSize> stated{};  // values
    for (int64_t pair = 0; pair < n_pairs; ++pair) stated[row.tokens[2 * pair + 1]] = true;
    for (size_t i = 0; i < row.tokens.size(); ++i) {
      key = mix_bits(key ^ static_cast<uint64_t>(row.tokens[i]));
      if (row.labels[i] < 0) continue;
      right += guesses[i] == row.labels[i];
      in_row_ += stated[guesses[i]];
      asked += 1;
    }
    by_row_.insert(by_row_.end(), {right, asked});
    keys_.push_back(key);
    right_ += right, asked_ += asked;
  }

  double asked() const { return asked_; }
  double accuracy() const { return right_ / asked_; }
  double in_row() const { return in_row_ / asked_; }
  void write(Evaluation& evaluation) const {
    const auto n = static_cast<int64_t>(keys_.size());
    evaluation.add_array(array::kAnswers, by_row_, {n, array::kAnswerColumns});
    evaluation.add_array(array::kAnswerKeys, keys_, {n});
  }

 private:
  double right_ = 0, asked_ = 0, in_row_ = 0;
  std::vector<double> by_row_;
  std::vector<uint64_t> keys_;
};

/// Right answers by how far behind the statement they were asked, in powers of two of tokens.
class DistanceCounts {
 public:
  /// `guesses` holds the most likely next token behind each token of the row.
  void add(const TokenRow& row, const int64_t* guesses) {
    std::vector<int64_t> stated(kSymbols, 0);  // where each key stood last
    for (size_t i = 0; i < row.tokens.size(); i += 2) {
      const auto query = static_cast<int64_t>(i);
      int64_t& last = stated[row.tokens[i]];
      if (row.labels[i] >= 0) {
        auto& [right, asked] = counts_[std::bit_ceil(static_cast<uint64_t>(query - last))];
        right += guesses[i] == row.labels[i];
        asked += 1;
      }
      last = query;
    }
  }

  void write(Evaluation& out) const {
    for (const auto& [distance, count] : counts_)
      out.add(out.about().task + metric::kByDistanceEnding, count.first / count.second,
              {{condition::kDistance, distance},
               {condition::kChance, 1.0 / kSymbols},
               {"n", count.second}});
  }

 private:
  std::map<uint64_t, std::pair<double, double>> counts_;
};

/// Right answers by the deepest level that a statement of the pair reached before it was asked: of
/// its key and value the one that was dropped first. An answered query states its pair again.
class ReachedCounts {
 public:
  /// `depths` holds the level that each token of the row reached.
  void add(const TokenRow& row, const int64_t* guesses, const std::vector<uint8_t>& depths) {
    std::array<uint8_t, kSymbols> reached{};
    for (size_t i = 0; i + 1 < row.tokens.size(); i += 2) {
      uint8_t& deepest = reached[static_cast<size_t>(row.tokens[i])];
      if (row.labels[i] >= 0) {
        auto& [right, asked] = counts_[deepest];
        right += guesses[i] == row.labels[i];
        asked += 1;
      }
      deepest = std::max(deepest, std::min(depths[i], depths[i + 1]));
    }
  }

  void write(Evaluation& out) const {
    for (const auto& [level, count] : counts_)
      out.add(out.about().task + metric::kByReachedEnding, count.first / count.second,
              {{condition::kReached, level},
               {condition::kChance, 1.0 / kSymbols},
               {"n", count.second}});
  }

 private:
  std::map<int64_t, std::pair<double, double>> counts_;
};

/// What selection kept and what looking ahead would have changed.
void add_selection(const KeepCounter& kept, double training_accuracy, double accuracy,
                   const LanguageModel& model, Evaluation& out) {
  out.add(metric::kAccuracyGap, training_accuracy - accuracy);
  const auto sites = model.selection_sites();
  const auto fractions = kept.fractions();
  for (size_t m = 0; m < fractions.size(); ++m)
    out.add(metric::at_level(metric::kKeptFraction, sites[m].level), fractions[m],
            {{condition::kModule, m}});
}

void evaluate(const json& resolved, const TaskContext& context, Evaluation& out) {
  at::NoGradGuard no_grad;
  const Config config = read(resolved, "/evaluate");
  const LanguageModel& model = context.model;
  const double power_a = config.power_a.value_or(0);
  const RecallRows rows(config.length, config.n_pairs, context.seed, "recall/evaluate", power_a);
  const bool subsamples = !model.selection_sites().empty();
  KeepCounter kept;
  RecordedKeeps keeps;
  KeptByRole by_role(model, RecallRows::role_names(power_a));
  Run run;
  run.activity = &out.activity();
  run.declared_length = config.length;
  if (subsamples) run.observer = &kept, run.recorded = &keeps;
  Answers answers;
  PlaceCounts places(rows.context_len());
  DistanceCounts distances;
  ReachedCounts reached;
  for_labelled_rows(rows, config.n_rows, model, run,
                    [&](int64_t index, int64_t place, const int64_t* guesses) {
                      const TokenRow row = rows.row(index);
                      answers.add(row, guesses, config.n_pairs);
                      places.add(row, guesses);
                      distances.add(row, guesses);
                      if (!subsamples) return;
                      by_role.add(keeps, place, rows.roles_of(row));
                      const auto n = static_cast<int64_t>(row.tokens.size());
                      reached.add(row, guesses, depths_of(keeps, model, place, n));
                    });
  places.write(out);
  answers.write(out);
  out.add(metric::accuracy_of(out.about().task), answers.accuracy(),
          {{condition::kChance, 1.0 / kSymbols},
           {condition::kInRowChance, 1.0 / static_cast<double>(config.n_pairs)},
           {"n", answers.asked()},
           {condition::kRows, config.n_rows},
           {"n_pairs", config.n_pairs},
           {"context", context.config.data.context_len}});
  out.add(metric::kAnswersInRow, answers.in_row());
  if (power_a > 0) distances.write(out);
  if (!subsamples) return;
  if (power_a > 0 || config.by_reached) reached.write(out);
  Answers looking_ahead;
  Run training = run;
  training.mode = Mode::train;  // coins stay off
  training.activity = nullptr, training.observer = nullptr, training.recorded = nullptr;
  for_labelled_rows(rows, config.n_rows, model, training,
                    [&](int64_t index, int64_t, const int64_t* guesses) {
                      looking_ahead.add(rows.row(index), guesses, config.n_pairs);
                    });
  add_selection(kept, looking_ahead.accuracy(), answers.accuracy(), model, out);
  by_role.write(out);
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

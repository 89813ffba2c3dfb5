// Accuracy of labels by length and depth, and what selection kept of them.
#include "experiments/tasks/labelled_task.h"

#include <algorithm>
#include <map>
#include <optional>

#include "core/random.h"
#include "core/schema/arrays.h"
#include "core/schema/metrics.h"
#include "experiments/observe/keep_counter.h"
#include "experiments/tasks/kept_by_role.h"
#include "models/parts/lm_head.h"

namespace sublab {

void for_labelled_rows(
    const RowSource& source, int64_t n_rows, const LanguageModel& model, const Run& run,
    const std::function<void(int64_t index, int64_t place, const int64_t* guesses)>& each) {
  constexpr int64_t kMostRows = 64, kMostTokens = 1 << 14;  // of a pass
  const int64_t per_pass = std::clamp<int64_t>(kMostTokens / source.context_len(), 1, kMostRows);
  for (int64_t first = 0; first < n_rows; first += per_pass) {
    const int64_t n = std::min(per_pass, n_rows - first);
    const auto batch = make_batch(source, first, n, model.device());
    if (run.recorded) run.recorded->decided.clear();
    const at::Tensor hidden = run_model(model, batch.batch, nullptr, run);
    const at::Tensor guesses = token_guesses(hidden, model.head_weight()).cpu().contiguous();
    for (int64_t r = 0; r < n; ++r)
      each(first + r, r, guesses.const_data_ptr<int64_t>() + batch.batch.rows->begin(r));
  }
}

namespace labelled_task_detail {

constexpr int64_t kDepthRows = 10;

struct Counts {
  double right = 0, asked = 0, whole = 0, rows = 0;
};

/// Right and asked labels of a row.
Counts counts_of(const TokenRow& row, const int64_t* guesses) {
  Counts out;
  for (size_t i = 0; i < row.labels.size(); ++i) {
    if (row.labels[i] < 0) continue;
    out.right += guesses[i] == row.labels[i];
    out.asked += 1;
  }
  out.whole = out.right == out.asked, out.rows = 1;
  return out;
}

void add_to(Counts& sum, const Counts& each) {
  sum.right += each.right, sum.asked += each.asked;
  sum.whole += each.whole, sum.rows += each.rows;
}

/// Everything that is counted over lengths.
class Counted {
 public:
  void add(int64_t length, const LabelledRows& rows, const TokenRow& row, const int64_t* guesses) {
    const Counts own = counts_of(row, guesses);
    add_to(all_, own);
    add_to(by_length_[length], own);
    auto& depths = cells_.try_emplace(length, kDepthRows).first->second;
    const auto tenth = static_cast<int64_t>(rows.depth_of(row) * kDepthRows);
    add_to(depths[static_cast<size_t>(std::clamp<int64_t>(tenth, 0, kDepthRows - 1))], own);
    by_row_.insert(by_row_.end(), {own.right, own.asked});
    uint64_t key = 0;
    for (const int64_t token : row.tokens) key = mix_bits(key ^ static_cast<uint64_t>(token));
    keys_.push_back(key);
  }

  double accuracy() const { return all_.asked > 0 ? all_.right / all_.asked : 0; }

  void write(double chance, Evaluation& out) const {
    const std::string& task = out.about().task;
    const auto conditions = [&](const Counts& counts) {
      return json{
          {condition::kChance, chance}, {"n", counts.asked}, {condition::kRows, counts.rows}};
    };
    out.add(metric::accuracy_of(task), accuracy(), conditions(all_));
    if (all_.asked > all_.rows)
      out.add(metric::kWholeRows, all_.whole / all_.rows, {{"n", all_.rows}});
    std::vector<double> map;
    for (const auto& [length, counts] : by_length_) {
      json about = conditions(counts);
      about[condition::kContext] = length;
      out.add(metric::accuracy_by_length_of(task), counts.right / counts.asked, about);
      const auto& depths = cells_.at(length);
      for (size_t d = 0; d < depths.size(); ++d)
        map.insert(map.end(),
                   {static_cast<double>(length), (static_cast<double>(d) + 0.5) / kDepthRows,
                    depths[d].right, depths[d].asked});
    }
    const auto n = static_cast<int64_t>(keys_.size());
    out.add_array(
        array::kByLengthDepth, map,
        {static_cast<int64_t>(by_length_.size()), kDepthRows, array::kLengthDepthColumns});
    out.add_array(array::kAnswers, by_row_, {n, array::kAnswerColumns});
    out.add_array(array::kAnswerKeys, keys_, {n});
  }

 private:
  Counts all_;
  std::map<int64_t, Counts> by_length_;
  std::map<int64_t, std::vector<Counts>> cells_;
  std::vector<double> by_row_;
  std::vector<uint64_t> keys_;
};

}  // namespace labelled_task_detail

void ask_labels(const LabelledQuestions& questions, const TaskContext& context, Evaluation& out) {
  using labelled_task_detail::Counted;
  at::NoGradGuard no_grad;
  const LanguageModel& model = context.model;
  const bool subsamples = !model.selection_sites().empty();
  Counted counted, looking_ahead;
  KeepCounter kept;
  std::optional<KeptByRole> by_role;
  for (const int64_t length : questions.lengths) {
    const auto rows = questions.rows(length);
    if (!by_role) by_role.emplace(model, rows->role_names());
    RecordedKeeps keeps;
    Run run;
    run.activity = &out.activity();
    run.declared_length = length;
    if (subsamples) run.observer = &kept, run.recorded = &keeps;
    for_labelled_rows(*rows, questions.n_rows, model, run,
                      [&](int64_t index, int64_t place, const int64_t* guesses) {
                        const TokenRow row = rows->row(index);
                        counted.add(length, *rows, row, guesses);
                        if (subsamples) by_role->add(keeps, place, rows->roles_of(row));
                      });
    if (!subsamples) continue;
    Run training;
    training.mode = Mode::train;  // coins stay off
    training.declared_length = length;
    for_labelled_rows(*rows, questions.n_rows, model, training,
                      [&](int64_t index, int64_t, const int64_t* guesses) {
                        looking_ahead.add(length, *rows, rows->row(index), guesses);
                      });
  }
  counted.write(questions.chance, out);
  if (!subsamples) return;
  out.add(metric::kAccuracyGap, looking_ahead.accuracy() - counted.accuracy());
  const auto sites = model.selection_sites();
  const auto fractions = kept.fractions();
  for (size_t m = 0; m < fractions.size(); ++m)
    out.add(metric::at_level(metric::kKeptFraction, sites[m].level), fractions[m],
            {{condition::kModule, m}});
  by_role->write(out);
}

}  // namespace sublab

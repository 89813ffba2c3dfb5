// Rows of unequal length against one decode state; those that have ended are empty in later steps.
#include "experiments/generate/generate_rows.h"

#include <algorithm>

#include "core/error.h"
#include "models/parts/lm_head.h"
#include "models/transfer.h"

namespace sublab {
namespace generate_rows {

/// Prompt tokens that are read in one pass, unless one row has more.
constexpr int64_t kPromptTokensPerPass = 8192;

class Answers {
 public:
  Answers(const LanguageModel& model, const RowsToContinue& asked, Activity& activity)
      : model_(model), asked_(asked), made_(asked.rows.size()), going_(asked.rows.size(), true) {
    run_.mode = Mode::step;
    run_.activity = &activity;
    run_.declared_length = asked.declared_length;
    int64_t longest = 0;
    for (const PromptRow& row : asked.rows)
      longest = std::max(longest, static_cast<int64_t>(row.input.size()) + row.max_tokens);
    state_ = model.new_state(n_rows(), longest);
  }

  std::vector<std::vector<int64_t>> run() {
    read_prompts();
    while (std::find(going_.begin(), going_.end(), true) != going_.end()) {
      Step step = empty_step();
      for (int64_t b = 0; b < n_rows(); ++b)
        if (going_[b]) add(b, {made_[b].back()}, {1.0}, step);
      take(step);
    }
    return std::move(made_);
  }

 private:
  struct Step {
    std::vector<int64_t> tokens, lengths;
    std::vector<double> hints;
  };

  int64_t n_rows() const { return static_cast<int64_t>(asked_.rows.size()); }
  Step empty_step() const { return {{}, std::vector<int64_t>(made_.size(), 0), {}}; }

  static void add(int64_t row, const std::vector<int64_t>& tokens, const std::vector<double>& hints,
                  Step& step) {
    step.tokens.insert(step.tokens.end(), tokens.begin(), tokens.end());
    step.hints.insert(step.hints.end(), hints.begin(), hints.end());
    step.lengths[row] = static_cast<int64_t>(tokens.size());
  }

  void read_prompts() {
    for (int64_t first = 0; first < n_rows();) {
      Step step = empty_step();
      int64_t b = first;
      for (; b < n_rows(); ++b) {
        const PromptRow& row = asked_.rows[b];
        if (b > first &&
            static_cast<int64_t>(step.tokens.size() + row.input.size()) > kPromptTokensPerPass)
          break;
        add(b, row.input, row.hints, step);
      }
      first = b;
      take(step);
    }
  }

  /// One pass, and the next token of every row that has tokens in it.
  void take(const Step& step) {
    Batch batch = continue_rows(*state_, sent_to(model_.device(), step.tokens), step.lengths);
    if (step.hints.size() == step.tokens.size() && !asked_.rows.front().hints.empty())
      batch.hints = sent_to(model_.device(), at::tensor(step.hints, at::kDouble));
    const at::Tensor hidden = run_model(model_, batch, state_.get(), run_);
    std::vector<int64_t> last, rows;
    for (int64_t b = 0; b < n_rows(); ++b) {
      if (step.lengths[b] == 0) continue;
      last.push_back(batch.rows->begin(b) + step.lengths[b] - 1);
      rows.push_back(b);
    }
    // Whose last tokens these are is all that the head needs to know.
    const at::Tensor ends = hidden.index_select(0, sent_to(hidden.device(), last));
    const RowsPtr ones = Rows::contiguous(std::vector<int64_t>(rows.size(), 1));
    const at::Tensor logits = next_logits(ends, *ones, model_.head_weight());
    constexpr int64_t kNotFinite = -1;
    const at::Tensor chosen =
        at::where(logits.isfinite().all(1), logits.argmax(1), kNotFinite).cpu().contiguous();
    for (size_t i = 0; i < rows.size(); ++i) {
      const int64_t token = chosen.const_data_ptr<int64_t>()[i];
      if (token == kNotFinite)
        throw UserError("model", "gave logits that are not finite; its weights are of no use");
      append(rows[i], token);
    }
  }

  void append(int64_t row, int64_t token) {
    const auto& stops = asked_.stop_ids;
    if (std::find(stops.begin(), stops.end(), token) != stops.end()) {
      going_[row] = false;
      return;
    }
    made_[row].push_back(token);
    if (static_cast<int64_t>(made_[row].size()) >= asked_.rows[row].max_tokens) going_[row] = false;
  }

  const LanguageModel& model_;
  const RowsToContinue& asked_;
  std::vector<std::vector<int64_t>> made_;
  std::vector<bool> going_;
  Run run_;
  std::unique_ptr<DecodeState> state_;
};

}  // namespace generate_rows

std::vector<std::vector<int64_t>> continue_greedily(const LanguageModel& model,
                                                    const RowsToContinue& asked,
                                                    Activity& activity) {
  if (asked.rows.empty()) return {};
  at::NoGradGuard no_grad;
  return generate_rows::Answers(model, asked, activity).run();
}

}  // namespace sublab

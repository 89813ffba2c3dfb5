// Packed passes over rows, and the losses of the tokens that are asked for alone.
#include "experiments/tasks/continuation_scores.h"

#include "models/parts/lm_head.h"
#include "models/transfer.h"

namespace sublab {
namespace continuations {

constexpr int64_t kTokensPerPass = 8192;

/// Rows that are read together, and where in them each continuation's labels are asked.
struct Pass {
  std::vector<int64_t> tokens, lengths, places, labels;
  std::vector<size_t> n_labels;  // per continuation

  bool takes(int64_t n_tokens, int64_t rows_per_pass) const {
    const auto rows = static_cast<int64_t>(lengths.size());
    return rows == 0 || (rows < rows_per_pass &&
                         static_cast<int64_t>(tokens.size()) + n_tokens <= kTokensPerPass);
  }
  void add_row(const std::vector<int64_t>& inputs) {
    tokens.insert(tokens.end(), inputs.begin(), inputs.end());
    lengths.push_back(static_cast<int64_t>(inputs.size()));
  }
  /// Asks the last row.
  void ask(const Continuation& of) {
    const int64_t begin = static_cast<int64_t>(tokens.size()) - lengths.back();
    for (size_t i = 0; i < of.labels.size(); ++i)
      places.push_back(begin + static_cast<int64_t>(of.first + i));
    labels.insert(labels.end(), of.labels.begin(), of.labels.end());
    n_labels.push_back(of.labels.size());
  }

  void read(const LanguageModel& model, const Run& run, std::vector<double>& scores) const {
    const Batch batch{sent_to(model.device(), tokens), Rows::contiguous(lengths)};
    const at::Tensor hidden = run_model(model, batch, nullptr, run);
    const at::Tensor asked = hidden.index_select(0, sent_to(model.device(), places));
    const at::Tensor losses =
        token_losses(asked, model.head_weight(), sent_to(model.device(), labels))
            .to(at::kDouble)
            .cpu()
            .contiguous();
    const auto* loss = losses.const_data_ptr<double>();
    for (const size_t n : n_labels) {
      double sum = 0;
      for (size_t i = 0; i < n; ++i) sum -= *loss++;
      scores.push_back(sum);
    }
  }
};

}  // namespace continuations

std::vector<double> continuation_scores(const LanguageModel& model,
                                        const std::vector<Continuation>& continuations,
                                        const Run& run, int64_t rows_per_pass) {
  at::NoGradGuard no_grad;
  std::vector<double> out;
  continuations::Pass pass;
  for (size_t i = 0; i < continuations.size(); ++i) {
    const Continuation& each = continuations[i];
    const bool as_before = i > 0 && each.inputs == continuations[i - 1].inputs;
    if (!as_before && !pass.takes(static_cast<int64_t>(each.inputs.size()), rows_per_pass)) {
      pass.read(model, run, out);
      pass = {};
    }
    if (!as_before) pass.add_row(each.inputs);
    pass.ask(each);
  }
  if (!pass.lengths.empty()) pass.read(model, run, out);
  return out;
}

}  // namespace sublab

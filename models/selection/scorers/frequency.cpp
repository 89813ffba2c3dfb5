// A control that knows the token and nothing else: how rare it is in the training text,
//
//   s = -log((n_token + 1) / (n + V)),
//
// with n_token of n tokens counted before training and stored in the checkpoint. Equal tokens tie,
// so the share above the threshold, the (1 - d) quantile on training text, may miss d.
#include <cmath>

#include "models/selection/scorer.h"
#include "models/transfer.h"

namespace sublab {
namespace frequency {

class Frequency : public Scorer {
 public:
  explicit Frequency(const ScorerContext& context)
      : name_(context.name + ".counts"), counts_(at::zeros({context.vocab_size}, at::kDouble)) {}

  void prepare(const std::vector<Batch>& batches) override {
    counts_.zero_();
    for (const Batch& batch : batches)
      counts_.add_(at::bincount(batch.tokens.cpu(), {}, counts_.size(0)).to(at::kDouble));
  }

  at::Tensor scores(const ScorerInput& input) const override {
    const double total = counts_.sum().item<double>() + static_cast<double>(counts_.size(0));
    const at::Tensor count = sent_to(input.tokens.device(), counts_).index_select(0, input.tokens);
    return std::log(total) - (count + 1).log();
  }

  std::vector<Buffer> buffers() const override { return {{name_, counts_}}; }

 private:
  std::string name_;
  at::Tensor counts_;  // [V], on the CPU: its sum is read there
};

}  // namespace frequency

ScorerEntry frequency_scorer() {
  ScorerEntry entry = scorer_entry<frequency::Frequency>(
      "frequency", "how rare the token is in the training text (control)", "control");
  entry.natural_zero = false;
  entry.needs.text = true;
  return entry;
}

}  // namespace sublab

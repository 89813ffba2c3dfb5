// How often a score foretells whom training would choose (SelectionSite::foretold).
#pragma once

#include <optional>

#include "models/language_model.h"

namespace sublab {

/// Listens to a pass with training's selection: of each token that comes to a site that foretells,
/// whether its score is above 0 exactly where it was chosen.
class ForetoldChoices : public Observer {
 public:
  explicit ForetoldChoices(const LanguageModel& model) : sites_(model.selection_sites()) {}
  void selected(int64_t site, const at::Tensor& scores, const Rows&, const at::Tensor& index,
                const at::Tensor&) override {
    if (!sites_.at(site).foretold) return;
    const at::Tensor chosen = at::zeros_like(scores, at::kBool).index_fill_(0, index, true);
    right_ += scores.gt(0).eq(chosen).sum().item<double>();
    n_ += static_cast<double>(scores.numel());
  }
  /// Share that was foretold, of all sites' tokens.
  std::optional<double> accuracy() const {
    return n_ > 0 ? std::optional(right_ / n_) : std::nullopt;
  }

 private:
  std::vector<SelectionSite> sites_;
  double right_ = 0, n_ = 0;
};

}  // namespace sublab

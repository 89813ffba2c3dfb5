// Counts who is kept, by module.
#pragma once

#include <vector>

#include "models/language_model.h"

namespace sublab {

class KeepCounter : public Observer {
 public:
  explicit KeepCounter(Observer* next = nullptr) : next_(next) {}
  void selected(int64_t module, const at::Tensor& scores, const Rows& rows, const at::Tensor& index,
                const at::Tensor& weights) override {
    if (static_cast<size_t>(module) >= parents_.size())
      parents_.resize(module + 1), kept_.resize(module + 1);
    parents_[module] += static_cast<double>(rows.n_tokens());
    kept_[module] += static_cast<double>(index.numel());
    if (next_) next_->selected(module, scores, rows, index, weights);
  }
  /// Kept / parent tokens per module; empty for a model without modules.
  std::vector<double> fractions() const {
    std::vector<double> out;
    for (size_t m = 0; m < parents_.size(); ++m)
      out.push_back(parents_[m] > 0 ? kept_[m] / parents_[m] : 0);
    return out;
  }

 private:
  Observer* next_;
  std::vector<double> parents_, kept_;
};

}  // namespace sublab

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
    if (static_cast<size_t>(module) >= counts_.size()) counts_.resize(module + 1);
    Counts& counts = counts_[module];
    counts.parents += static_cast<double>(rows.n_tokens());
    counts.kept += static_cast<double>(index.numel());
    counts.passes += 1;
    counts.entered += index.numel() > 0;
    if (next_) next_->selected(module, scores, rows, index, weights);
  }
  /// Kept / parent tokens per module; empty for a model without modules.
  std::vector<double> fractions() const {
    return ratios([](const Counts& c) { return c.kept; },
                  [](const Counts& c) { return c.parents; });
  }
  /// Share of the passes in which at least one token entered, per module.
  std::vector<double> reached() const {
    return ratios([](const Counts& c) { return c.entered; },
                  [](const Counts& c) { return c.passes; });
  }
  /// Tokens that entered, per module.
  std::vector<double> kept() const {
    std::vector<double> out;
    for (const Counts& counts : counts_) out.push_back(counts.kept);
    return out;
  }
  /// Adds `weight` times what `other` counted of tokens.
  void add_tokens(const KeepCounter& other, double weight) {
    counts_.resize(std::max(counts_.size(), other.counts_.size()));
    for (size_t m = 0; m < other.counts_.size(); ++m) {
      counts_[m].parents += weight * other.counts_[m].parents;
      counts_[m].kept += weight * other.counts_[m].kept;
    }
  }

 private:
  struct Counts {
    double parents = 0, kept = 0;    // tokens
    double passes = 0, entered = 0;  // forward passes; those in which any token was kept
  };
  template <class Above, class Below>
  std::vector<double> ratios(const Above& above, const Below& below) const {
    std::vector<double> out;
    for (const Counts& counts : counts_)
      out.push_back(below(counts) > 0 ? above(counts) / below(counts) : 0);
    return out;
  }

  Observer* next_;
  std::vector<Counts> counts_;
};

}  // namespace sublab

// What the sketches share: both ends of a model, and state per row.
#pragma once

#include "models/parts/token_ends.h"

namespace sublab {

/// A model of width 32 whose middle is to be sketched. It costs what a sketch says, by default
/// nothing.
class Sketch : public LanguageModel {
 public:
  static constexpr int64_t kWidth = 32;

  explicit Sketch(int64_t vocab_size) : ends_({.d_model = kWidth, .vocab_size = vocab_size}, 1) {}
  at::Tensor embed(const at::Tensor& tokens) const override { return ends_.embed(tokens); }
  const at::Tensor& head_weight() const override { return ends_.head_weight(); }
  std::vector<Parameter> parameters() const override {
    std::vector<Parameter> out;
    ends_.add_front_parameters(out);
    add_middle(out);
    ends_.add_back_parameters(out);
    return out;
  }
  void add_cost(const CostShape&, Ledger&) const override {}

 protected:
  virtual void add_middle(std::vector<Parameter>& out) const = 0;
  TokenEnds ends_;
};

/// Row `rows[i]` of each tensor list, copied.
inline std::vector<at::Tensor> copied(const std::vector<at::Tensor>& of,
                                      const std::vector<int64_t>& rows) {
  std::vector<at::Tensor> out;
  for (const int64_t row : rows) out.push_back(of[row].clone());
  return out;
}

inline int64_t bytes_of(const std::vector<at::Tensor>& tensors) {
  int64_t sum = 0;
  for (const at::Tensor& tensor : tensors) sum += static_cast<int64_t>(tensor.nbytes());
  return sum;
}

/// Tokens [begin, end) of each row of a packed tensor.
inline at::Tensor row_of(const at::Tensor& x, const Rows& rows, int64_t b) {
  return x.slice(0, rows.begin(b), rows.begin(b) + rows.length(b));
}

}  // namespace sublab

// The Llama that a competent user of LibTorch writes first: modules, plain operators, RoPE by
// concatenation, logits of all tokens, the optimizer that comes with the library.
#pragma once

#include <ATen/ATen.h>

#include <memory>

namespace sublab {

struct StraightforwardShape {
  int64_t vocab_size, d_model, n_layers, n_heads, d_ff;
};

class StraightforwardLlama {
 public:
  explicit StraightforwardLlama(const StraightforwardShape& shape);
  ~StraightforwardLlama();
  /// tokens [B, T], labels [B, T]: forward, backward, clipping to norm 1, AdamW. Returns the loss.
  double train_step(const at::Tensor& tokens, const at::Tensor& labels);
  int64_t n_parameters() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sublab

// Rotary position embedding: the angles that tokens are rotated by (arXiv:2104.09864).
#pragma once

#include <ATen/ATen.h>

#include <memory>

namespace sublab {

/// cos and sin [N, K/2] of each token's angles, in the dtype of the model, scaled where a method
/// scales attention logits through them (YaRN's attention factor). Undefined: nothing is rotated.
struct RopeAngles {
  at::Tensor cos, sin;

  bool defined() const { return cos.defined(); }
  /// The angles of tokens `index` only.
  RopeAngles keep(const at::Tensor& index) const;
  /// x [N, H, K] rotated by them.
  at::Tensor rotated(const at::Tensor& x_NHK) const;
};

/// Angles from positions. Context-extension methods (baselines/rope) implement this.
class Rope {
 public:
  virtual ~Rope() = default;
  /// positions [N] int64, on the device of `like` -> angles there. Computed in fp32 as transformers
  /// does, in fp64 for fp64. `declared_length`: tokens that the request will have in the end, which
  /// a method that depends on them takes instead of the tokens so far (Run::declared_length); 0 =
  /// not declared.
  virtual RopeAngles angles(const at::Tensor& positions, int64_t declared_length,
                            const at::TensorOptions& like) const = 0;
};

/// theta_i = base^(-2i / head_dim), angle = position * theta_i.
std::unique_ptr<Rope> plain_rope(int64_t head_dim, double base);

}  // namespace sublab

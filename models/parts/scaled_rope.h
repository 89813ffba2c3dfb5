// What ways to stretch rotary positions are made of (baselines/rope): frequencies that are kept
// once made, and the arithmetic that several of them share. D is the width of a head, b the base,
// L the window that positions were trained in, s = L' / L the factor; theta_i = b^(-2i / D).
#pragma once

#include <mutex>
#include <vector>

#include "models/parts/rope.h"

namespace sublab {

/// angle = position * h_i, cos and sin times an attention factor a, so that logits grow by a^2. A
/// method says what h is. Frequencies are made once per device and dtype: a step of decoding
/// computes no powers. Any thread may ask.
class FrequencyRope : public Rope {
 public:
  RopeAngles angles(const at::Tensor& positions, int64_t declared_length,
                    const at::TensorOptions& like) const override;
  /// h [D/2] for a request of `n_tokens` (0 = not declared), in dtype (fp32 or fp64) and on the
  /// device of `like`.
  virtual at::Tensor frequencies(int64_t n_tokens, const at::TensorOptions& like) const = 0;
  double attention_factor() const { return attention_factor_; }

 protected:
  explicit FrequencyRope(double attention_factor = 1) : attention_factor_(attention_factor) {}
  /// n_tokens of a request, for methods whose frequencies depend on it.
  virtual int64_t length_of(int64_t declared_length) const;
  /// Angles of these positions by frequencies h [D/2], in the dtype of `like`.
  RopeAngles turned(const at::Tensor& positions, const at::Tensor& frequency,
                    const at::TensorOptions& like) const;

 private:
  struct Made {
    at::Device device;
    at::ScalarType dtype;
    int64_t n_tokens;
    at::Tensor frequencies;
  };
  at::Tensor made(int64_t n_tokens, const at::TensorOptions& like) const;

  double attention_factor_;
  mutable std::mutex mutex_;
  mutable std::vector<Made> made_;  // the last one of each device and dtype
};

/// theta [D/2].
at::Tensor rope_frequencies(int64_t head_dim, double base, const at::TensorOptions& like);

/// b s^(D / (D - 2)): the base whose first frequency is 1 and whose last one is theta / s.
/// head_dim > 2, or UserError.
double ntk_base(int64_t head_dim, double base, double factor);

/// theta / s where `kept` [D/2] is 0, theta where it is 1, exactly; between them linear.
at::Tensor scaled_in_parts(const at::Tensor& theta, double factor, const at::Tensor& kept);

/// How often a frequency turns within L tokens decides: kept 0 up to `slow` turns, 1 from `fast`
/// turns on, between them linear in the turns L theta / 2 pi (arXiv:2309.00071, eq. 18).
at::Tensor kept_by_turns(const at::Tensor& theta, double original_len, double slow, double fast);

/// The same ends, but linear in the number i of the dimension, as the paper's code and transformers
/// have it: kept 1 up to low, 0 from high on, where dim(n) = D ln(L / (2 pi n)) / (2 ln b), low =
/// dim(fast) and high = dim(slow), with `truncate` rounded down and up, inside [0, D - 1].
at::Tensor kept_by_dimension(int64_t head_dim, double base, double original_len, double slow,
                             double fast, bool truncate, const at::TensorOptions& like);

/// 0.1 m ln s + 1; 1 for s <= 1.
double yarn_mscale(double factor, double mscale = 1);

}  // namespace sublab

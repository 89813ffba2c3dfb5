// Extensions of rotary positions: one that stretches angles by a fixed factor and scales logits, as
// YaRN does, and one whose base follows the declared length of the request, as dynamic NTK's does.
#pragma once

#include <cmath>

#include "models/entries/attention.h"

namespace sublab {

struct ExtendingConfig {
  double factor = 4;
  int64_t trained = 16;

  template <class F>
  void fields(F& f) {
    f("factor", factor, "how many times the trained length", within(1, 1024));
    f("trained", trained, "length that positions were trained at", within(1, 1 << 24));
  }
};

/// cos and sin of position * frequency, both times `scale`.
inline RopeAngles angles_of(const at::Tensor& positions, const at::Tensor& frequencies,
                            double scale, const at::TensorOptions& like) {
  const at::Tensor angle = positions.to(at::kDouble).unsqueeze(1) * frequencies.unsqueeze(0);
  return {(angle.cos() * scale).to(like), (angle.sin() * scale).to(like)};
}

/// base^(-2i / K) for i < K / 2.
inline at::Tensor frequencies_of(int64_t head_dim, double base) {
  const at::Tensor i = at::arange(head_dim / 2, at::kDouble) * 2 / head_dim;
  return at::pow(at::full({}, base, at::kDouble), -i);
}

/// Frequencies that turn less than once within the trained length are divided by the factor, the
/// others kept; logits grow by (0.1 ln factor + 1)^2.
class ByPartsRope : public Rope {
 public:
  ByPartsRope(const ExtendingConfig& config, const RopeContext& context)
      : attention_factor_(0.1 * std::log(config.factor) + 1) {
    const at::Tensor plain = frequencies_of(context.head_dim, context.theta);
    const at::Tensor turns = plain * static_cast<double>(config.trained) / (2 * M_PI);
    frequencies_ = at::where(turns.lt(1), plain / config.factor, plain);
  }
  RopeAngles angles(const at::Tensor& positions, int64_t,
                    const at::TensorOptions& like) const override {
    return angles_of(positions, frequencies_.to(positions.device()), attention_factor_, like);
  }
  double attention_factor() const { return attention_factor_; }

 private:
  double attention_factor_;
  at::Tensor frequencies_;  // [K / 2]
};

/// base' = base (f n / L - (f - 1))^(K / (K - 2)) for a request of n > L tokens.
class DynamicRope : public Rope {
 public:
  DynamicRope(const ExtendingConfig& config, const RopeContext& context)
      : config_(config), context_(context) {}
  RopeAngles angles(const at::Tensor& positions, int64_t declared_length,
                    const at::TensorOptions& like) const override {
    const double f = config_.factor, width = static_cast<double>(context_.head_dim);
    const double stretch = std::max(
        1.0,
        f * static_cast<double>(declared_length) / static_cast<double>(config_.trained) - (f - 1));
    const double base = context_.theta * std::pow(stretch, width / (width - 2));
    return angles_of(positions, frequencies_of(context_.head_dim, base).to(positions.device()), 1,
                     like);
  }

 private:
  ExtendingConfig config_;
  RopeContext context_;
};

}  // namespace sublab

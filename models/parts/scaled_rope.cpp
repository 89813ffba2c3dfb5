// Frequencies of rotary positions, plain and scaled (models/parts/scaled_rope.h).
#include "models/parts/scaled_rope.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "core/error.h"
#include "models/wide_type.h"

namespace sublab {
namespace rope_frequency {

class PlainRope : public FrequencyRope {
 public:
  PlainRope(int64_t head_dim, double base) : head_dim_(head_dim), base_(base) {}

  at::Tensor frequencies(int64_t, const at::TensorOptions& like) const override {
    return rope_frequencies(head_dim_, base_, like);
  }

 private:
  int64_t head_dim_;
  double base_;
};

/// The same numbers. On the CPU they lie outside of what counts tensor bytes: what a phase takes
/// must not depend on whether a pass came before it.
at::Tensor uncounted(const at::Tensor& frequencies) {
  if (!frequencies.is_cpu()) return frequencies;
  const auto* first = static_cast<const char*>(frequencies.const_data_ptr());
  auto bytes = std::make_shared<std::vector<char>>(first, first + frequencies.nbytes());
  return at::from_blob(
      bytes->data(), frequencies.sizes(), [bytes](void*) {}, frequencies.options());
}

}  // namespace rope_frequency

std::unique_ptr<Rope> plain_rope(int64_t head_dim, double base) {
  return std::make_unique<rope_frequency::PlainRope>(head_dim, base);
}

RopeAngles FrequencyRope::angles(const at::Tensor& positions, int64_t declared_length,
                                 const at::TensorOptions& like) const {
  const auto wide = wide_type(like);
  return turned(positions, made(length_of(declared_length), positions.options().dtype(wide)), like);
}

RopeAngles FrequencyRope::turned(const at::Tensor& positions, const at::Tensor& frequency,
                                 const at::TensorOptions& like) const {
  const at::Tensor angle = at::outer(positions.to(frequency.scalar_type()), frequency);
  at::Tensor cos = angle.cos(), sin = angle.sin();
  if (attention_factor_ != 1) cos.mul_(attention_factor_), sin.mul_(attention_factor_);
  return {cos.to(like.dtype()), sin.to(like.dtype())};
}

int64_t FrequencyRope::length_of(int64_t) const { return 0; }

at::Tensor FrequencyRope::made(int64_t n_tokens, const at::TensorOptions& like) const {
  const std::lock_guard lock(mutex_);
  const auto dtype = like.dtype().toScalarType();
  const auto found = std::find_if(made_.begin(), made_.end(), [&](const Made& each) {
    return each.device == like.device() && each.dtype == dtype;
  });
  if (found != made_.end() && found->n_tokens == n_tokens) return found->frequencies;
  Made fresh{like.device(), dtype, n_tokens,
             rope_frequency::uncounted(frequencies(n_tokens, like))};
  if (found != made_.end())
    *found = fresh;
  else
    made_.push_back(fresh);
  return fresh.frequencies;
}

at::Tensor rope_frequencies(int64_t head_dim, double base, const at::TensorOptions& like) {
  const at::Tensor exponent = at::arange(0, head_dim, 2, like.dtype(at::kLong)).to(like) / head_dim;
  return 1.0 / at::pow(base, exponent);
}

double ntk_base(int64_t head_dim, double base, double factor) {
  if (head_dim <= 2)
    throw UserError("/model/rope", "a base is raised for heads wider than 2; head_dim is " +
                                       std::to_string(head_dim));
  const auto d = static_cast<double>(head_dim);
  return base * std::pow(factor, d / (d - 2));
}

at::Tensor scaled_in_parts(const at::Tensor& theta, double factor, const at::Tensor& kept) {
  return at::lerp(theta / factor, theta, kept);  // exact at both ends, and everywhere for s = 1
}

at::Tensor kept_by_turns(const at::Tensor& theta, double original_len, double slow, double fast) {
  const at::Tensor turns = theta * (original_len / (2 * M_PI));
  return ((turns - slow) / (fast - slow)).clamp(0, 1);
}

at::Tensor kept_by_dimension(int64_t head_dim, double base, double original_len, double slow,
                             double fast, bool truncate, const at::TensorOptions& like) {
  const auto d = static_cast<double>(head_dim);
  const auto dimension = [&](double turns) {
    return d * std::log(original_len / (turns * 2 * M_PI)) / (2 * std::log(base));
  };
  double low = dimension(fast), high = dimension(slow);
  if (truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0), high = std::min(high, d - 1);
  constexpr double kApart = 0.001;  // of equal ends, which would divide by 0
  if (low == high) high += kApart;
  return 1 - ((at::arange(head_dim / 2, like) - low) / (high - low)).clamp(0, 1);
}

double yarn_mscale(double factor, double mscale) {
  return factor <= 1 ? 1 : 0.1 * mscale * std::log(factor) + 1;
}

}  // namespace sublab

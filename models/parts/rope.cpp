// Plain rotary angles.
#include "models/parts/rope.h"

#include "models/kernels/rotate.h"

namespace sublab {
namespace {

class PlainRope : public Rope {
 public:
  PlainRope(int64_t head_dim, double base) : head_dim_(head_dim), base_(base) {}

  RopeAngles angles(const at::Tensor& positions, int64_t,
                    const at::TensorOptions& like) const override {
    const auto wide = like.dtype() == at::kDouble ? at::kDouble : at::kFloat;
    const at::Tensor exponent =
        at::arange(0, head_dim_, 2, positions.options()).to(wide) / head_dim_;
    const at::Tensor frequency = 1.0 / at::pow(base_, exponent);
    const at::Tensor angle = at::outer(positions.to(wide), frequency);
    return {angle.cos().to(like.dtype()), angle.sin().to(like.dtype())};
  }

 private:
  int64_t head_dim_;
  double base_;
};

}  // namespace

RopeAngles RopeAngles::keep(const at::Tensor& index) const {
  if (!defined()) return {};
  return {cos.index_select(0, index), sin.index_select(0, index)};
}

at::Tensor RopeAngles::rotated(const at::Tensor& x_NHK) const {
  return defined() ? rotate(x_NHK, cos, sin) : x_NHK;
}

std::unique_ptr<Rope> plain_rope(int64_t head_dim, double base) {
  return std::make_unique<PlainRope>(head_dim, base);
}

}  // namespace sublab

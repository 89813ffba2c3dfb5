// Rotation by given angles. Plain angles are made beside the stretched ones, in scaled_rope.cpp.
#include "models/parts/rope.h"

#include "models/kernels/rotate.h"

namespace sublab {

RopeAngles RopeAngles::keep(const at::Tensor& index) const {
  if (!defined()) return {};
  return {cos.index_select(0, index), sin.index_select(0, index)};
}

at::Tensor RopeAngles::rotated(const at::Tensor& x_NHK) const {
  return defined() ? rotate(x_NHK, cos, sin) : x_NHK;
}

}  // namespace sublab

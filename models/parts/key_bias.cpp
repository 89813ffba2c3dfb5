// One more dimension carries the bias of a key.
#include "models/parts/key_bias.h"

#include <cmath>

namespace sublab {

void widen_by_bias(at::Tensor& q, at::Tensor& k, at::Tensor& v, const at::Tensor& bias) {
  const double width = static_cast<double>(q.size(2));
  const auto column = [](const at::Tensor& like, double value) {
    return at::full({like.size(0), like.size(1), 1}, value, like.options());
  };
  q = at::cat({q * std::sqrt((width + 1) / width), column(q, std::sqrt(width + 1))}, 2);
  k = at::cat({k, bias.view({-1, 1, 1}).expand({k.size(0), k.size(1), 1}).to(k.dtype())}, 2);
  v = at::cat({v, column(v, 0)}, 2);
}

at::Tensor narrowed(const at::Tensor& out, int64_t width) {
  return out.size(2) == width ? out : out.slice(2, 0, width);
}

at::Tensor rotated_front(const RopeAngles& angles, const at::Tensor& x) {
  if (!angles.defined()) return x;
  const int64_t turned = 2 * angles.cos.size(1);
  if (x.size(2) == turned) return angles.rotated(x);
  return at::cat({angles.rotated(x.slice(2, 0, turned).contiguous()), x.slice(2, turned)}, 2);
}

}  // namespace sublab

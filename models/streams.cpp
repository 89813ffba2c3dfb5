#include "models/streams.h"

namespace sublab {

at::Tensor normal_parameter(const std::string& name, at::IntArrayRef shape, double std_dev,
                            const Initial& initial) {
  at::Tensor tensor = at::empty(shape, initial.options());
  if (!initial.shapes_only) tensor.normal_(0, std_dev, generator(initial.seed, "init/" + name));
  return tensor.requires_grad_();
}

at::Tensor constant_parameter(at::IntArrayRef shape, double value, const Initial& initial) {
  return at::full(shape, value, initial.options()).requires_grad_();
}

}  // namespace sublab

// Draws of initial weights, each from a stream of its own name.
#include "models/streams.h"

namespace sublab {

namespace {

/// Drawn on the CPU by `draw(tensor, generator)`, then placed.
template <class Draw>
at::Tensor drawn_parameter(const std::string& name, at::IntArrayRef shape, const Initial& initial,
                           const Draw& draw) {
  if (initial.shapes_only()) return at::empty(shape, initial.options()).requires_grad_();
  at::Tensor tensor = at::empty(shape, at::kFloat);
  draw(tensor, generator(initial.seed, "init/" + name));
  return tensor.to(initial.device).requires_grad_();
}

}  // namespace

at::Tensor normal_parameter(const std::string& name, at::IntArrayRef shape, double std_dev,
                            const Initial& initial) {
  return drawn_parameter(name, shape, initial, [&](at::Tensor& x, const at::Generator& random) {
    x.normal_(0, std_dev, random);
  });
}

at::Tensor uniform_parameter(const std::string& name, at::IntArrayRef shape, double bound,
                             const Initial& initial) {
  return drawn_parameter(name, shape, initial, [&](at::Tensor& x, const at::Generator& random) {
    x.uniform_(-bound, bound, random);
  });
}

at::Tensor constant_parameter(at::IntArrayRef shape, double value, const Initial& initial) {
  return at::full(shape, value, initial.options()).requires_grad_();
}

}  // namespace sublab

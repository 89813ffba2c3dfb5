// The bypass limit: the identity forward, another gradient backward.
#include "models/parts/bypass.h"

#include <torch/csrc/autograd/custom_function.h>

namespace sublab {
namespace bypass_limit {

class Limit : public torch::autograd::Function<Limit> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& parameter,
                            double low, double high) {
    context->save_for_backward({parameter});
    context->saved_data["low"] = low;
    context->saved_data["high"] = high;
    return parameter.view_as(parameter);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const at::Tensor value = context->get_saved_variables()[0], grad = grads[0];
    const at::Tensor below =
        value.lt(context->saved_data["low"].toDouble()).logical_and(grad.gt(0));
    const at::Tensor above =
        value.gt(context->saved_data["high"].toDouble()).logical_and(grad.lt(0));
    return {at::where(below.logical_or(above), -grad, grad), at::Tensor(), at::Tensor()};
  }
};

}  // namespace bypass_limit

at::Tensor limit_parameter(const at::Tensor& parameter, double low, double high) {
  return bypass_limit::Limit::apply(parameter, low, high);
}

at::Tensor limited_bypass(const at::Tensor& scale, double low, double probability, int64_t place,
                          const Run& run) {
  if (run.mode != Mode::train || !run.coins || !run.coins->flip("bypass_limit", place, probability))
    return scale;
  return limit_parameter(scale, low, 1.0);
}

}  // namespace sublab

#include "models/kernels/swiglu.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "models/kernels/vector_math.h"

namespace sublab {
namespace swiglu_kernel {

constexpr int64_t kGrain = 16384;

SUBLAB_CLONES void forward(const float* gate, const float* up, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float sigmoid = 1.0f / (1.0f + fast_exp(-gate[i]));
    y[i] = gate[i] * sigmoid * up[i];
  }
}

SUBLAB_CLONES void backward(const float* gate, const float* up, const float* grad, float* grad_gate,
                            float* grad_up, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float a = gate[i];
    const float sigmoid = 1.0f / (1.0f + fast_exp(-a));
    grad_up[i] = grad[i] * a * sigmoid;
    grad_gate[i] = grad[i] * up[i] * sigmoid * (1.0f + a * (1.0f - sigmoid));
  }
}

class Fused : public torch::autograd::Function<Fused> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& gate_in,
                            const at::Tensor& up_in) {
    const at::Tensor gate = gate_in.contiguous(), up = up_in.contiguous();
    at::Tensor y = at::empty_like(gate);
    at::parallel_for(0, gate.numel(), kGrain, [&](int64_t begin, int64_t end) {
      swiglu_kernel::forward(gate.const_data_ptr<float>() + begin,
                             up.const_data_ptr<float>() + begin, y.data_ptr<float>() + begin,
                             end - begin);
    });
    context->save_for_backward({gate, up});
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor grad = grads[0].contiguous();
    at::Tensor grad_gate = at::empty_like(grad), grad_up = at::empty_like(grad);
    at::parallel_for(0, grad.numel(), kGrain, [&](int64_t begin, int64_t end) {
      swiglu_kernel::backward(
          saved[0].const_data_ptr<float>() + begin, saved[1].const_data_ptr<float>() + begin,
          grad.const_data_ptr<float>() + begin, grad_gate.data_ptr<float>() + begin,
          grad_up.data_ptr<float>() + begin, end - begin);
    });
    return {grad_gate, grad_up};
  }
};

}  // namespace swiglu_kernel

at::Tensor swiglu_naive(const at::Tensor& gate, const at::Tensor& up) {
  return at::silu(gate) * up;
}

at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up) {
  if (gate.scalar_type() != at::kFloat || !gate.is_cpu()) return swiglu_naive(gate, up);
  return swiglu_kernel::Fused::apply(gate, up);
}

}  // namespace sublab

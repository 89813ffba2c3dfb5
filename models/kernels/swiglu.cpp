// silu(gate) * up in one pass, with its gradient.
#include "models/kernels/swiglu.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "models/kernels/device.h"
#include "models/kernels/grain.h"
#include "models/kernels/swiglu_body.h"
#include "models/kernels/vector_math.h"

namespace sublab {
namespace swiglu_kernel {

SUBLAB_CLONES void forward(const float* gate, const float* up, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) forward_element(gate[i], up[i], y[i]);
}

SUBLAB_CLONES void backward(const float* gate, const float* up, const float* grad, float* grad_gate,
                            float* grad_up, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    backward_element(gate[i], up[i], grad[i], grad_gate[i], grad_up[i]);
}

void forward_all(const at::Tensor& gate, const at::Tensor& up, at::Tensor& y) {
  if constexpr (kCudaKernels)
    if (gate.is_cuda())
      return launch(gate, [&](cuda::Launch at) {
        return cuda::swiglu_forward(at, gate.const_data_ptr(), up.const_data_ptr(), y.data_ptr(),
                                    gate.numel());
      });
  at::parallel_for(0, gate.numel(), kGrainNumbers, [&](int64_t begin, int64_t end) {
    swiglu_kernel::forward(gate.const_data_ptr<float>() + begin, up.const_data_ptr<float>() + begin,
                           y.data_ptr<float>() + begin, end - begin);
  });
}

void backward_all(const at::Tensor& gate, const at::Tensor& up, const at::Tensor& grad,
                  at::Tensor& grad_gate, at::Tensor& grad_up) {
  if constexpr (kCudaKernels)
    if (gate.is_cuda())
      return launch(gate, [&](cuda::Launch at) {
        return cuda::swiglu_backward(at, gate.const_data_ptr(), up.const_data_ptr(),
                                     grad.const_data_ptr(), grad_gate.data_ptr(),
                                     grad_up.data_ptr(), grad.numel());
      });
  at::parallel_for(0, grad.numel(), kGrainNumbers, [&](int64_t begin, int64_t end) {
    swiglu_kernel::backward(
        gate.const_data_ptr<float>() + begin, up.const_data_ptr<float>() + begin,
        grad.const_data_ptr<float>() + begin, grad_gate.data_ptr<float>() + begin,
        grad_up.data_ptr<float>() + begin, end - begin);
  });
}

class Fused : public torch::autograd::Function<Fused> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& gate_in,
                            const at::Tensor& up_in) {
    const at::Tensor gate = gate_in.contiguous(), up = up_in.contiguous();
    at::Tensor y = at::empty_like(gate);
    forward_all(gate, up, y);
    context->save_for_backward({gate, up});
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor grad = grads[0].contiguous();
    at::Tensor grad_gate = at::empty_like(grad), grad_up = at::empty_like(grad);
    backward_all(saved[0], saved[1], grad, grad_gate, grad_up);
    return {grad_gate, grad_up};
  }
};

}  // namespace swiglu_kernel

at::Tensor swiglu_naive(const at::Tensor& gate, const at::Tensor& up) {
  return at::silu(gate) * up;
}

at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up) {
  if (gate.sizes() != up.sizes() || !has_fused_form({gate, up})) return swiglu_naive(gate, up);
  return swiglu_kernel::Fused::apply(gate, up);
}

}  // namespace sublab

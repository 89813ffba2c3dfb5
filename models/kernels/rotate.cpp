// Rotary rotation of q or k in one pass, and its transpose as gradient.
#include "models/kernels/rotate.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "models/kernels/device.h"
#include "models/kernels/grain.h"
#include "models/kernels/rotate_body.h"
#include "models/kernels/vector_math.h"

namespace sublab {
namespace rotate_kernel {

SUBLAB_CLONES void rotate_tokens(const float* __restrict x, const float* __restrict cos,
                                 const float* __restrict sin, float* __restrict y, int64_t n_tokens,
                                 int64_t n_heads, int64_t half, float direction) {
  for (int64_t t = 0; t < n_tokens; ++t) {
    const float* c = cos + t * half;
    const float* s = sin + t * half;
    for (int64_t h = 0; h < n_heads; ++h) {
      const float* a = x + (t * n_heads + h) * 2 * half;
      float* out = y + (t * n_heads + h) * 2 * half;
      for (int64_t i = 0; i < half; ++i) rotate_pair(a, c, s, out, i, half, direction);
    }
  }
}

at::Tensor turn(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin,
                float direction) {
  const int64_t heads = x.size(1), half = x.size(2) / 2;
  at::Tensor y = at::empty_like(x);
  if constexpr (kCudaKernels)
    if (x.is_cuda()) {
      launch(x, [&](cuda::Launch at) {
        return cuda::rotate(at, x.const_data_ptr(), cos.const_data_ptr(), sin.const_data_ptr(),
                            y.data_ptr(), x.size(0), heads, half, direction);
      });
      return y;
    }
  at::parallel_for(0, x.size(0), grain_of(x.size(1) * x.size(2)), [&](int64_t begin, int64_t end) {
    const int64_t offset = begin * heads * 2 * half;
    rotate_tokens(x.const_data_ptr<float>() + offset, cos.const_data_ptr<float>() + begin * half,
                  sin.const_data_ptr<float>() + begin * half, y.data_ptr<float>() + offset,
                  end - begin, heads, half, direction);
  });
  return y;
}

class Fused : public torch::autograd::Function<Fused> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& cos, const at::Tensor& sin) {
    context->save_for_backward({cos, sin});
    return turn(x.contiguous(), cos, sin, 1.0f);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    return {turn(grads[0].contiguous(), saved[0], saved[1], -1.0f), at::Tensor(), at::Tensor()};
  }
};

}  // namespace rotate_kernel

at::Tensor rotate_naive(const at::Tensor& x_NHK, const at::Tensor& cos, const at::Tensor& sin) {
  const auto halves = x_NHK.chunk(2, -1);
  const at::Tensor c = cos.unsqueeze(1), s = sin.unsqueeze(1);
  return at::cat({halves[0] * c - halves[1] * s, halves[1] * c + halves[0] * s}, -1);
}

at::Tensor rotate(const at::Tensor& x_NHK, const at::Tensor& cos, const at::Tensor& sin) {
  if (!has_fused_form({x_NHK, cos, sin})) return rotate_naive(x_NHK, cos, sin);
  return rotate_kernel::Fused::apply(x_NHK, cos.contiguous(), sin.contiguous());
}

}  // namespace sublab

#include "models/kernels/rms_norm.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "models/kernels/vector_math.h"

namespace sublab {
namespace rms_norm_kernel {

SUBLAB_CLONES void forward(const float* x, const float* weight, float* y, float* scale,
                           int64_t n_rows, int64_t d, float epsilon) {
  for (int64_t i = 0; i < n_rows; ++i) {
    const float* xi = x + i * d;
    float* yi = y + i * d;
    float lanes[16] = {};
    int64_t j = 0;
    for (; j + 16 <= d; j += 16)
      for (int k = 0; k < 16; ++k) lanes[k] += xi[j + k] * xi[j + k];
    float sum = 0;
    for (; j < d; ++j) sum += xi[j] * xi[j];
    for (const float lane : lanes) sum += lane;
    const float r = 1.0f / std::sqrt(sum / static_cast<float>(d) + epsilon);
    scale[i] = r;
    for (j = 0; j < d; ++j) yi[j] = xi[j] * r * weight[j];
  }
}

SUBLAB_CLONES void backward(const float* x, const float* weight, const float* scale,
                            const float* grad_y, float* grad_x, float* grad_weight, int64_t n_rows,
                            int64_t d) {
  for (int64_t i = 0; i < n_rows; ++i) {
    const float* xi = x + i * d;
    const float* gi = grad_y + i * d;
    float* out = grad_x + i * d;
    const float r = scale[i];
    float lanes[16] = {};
    int64_t j = 0;
    for (; j + 16 <= d; j += 16)
      for (int k = 0; k < 16; ++k) lanes[k] += gi[j + k] * weight[j + k] * xi[j + k];
    float dot = 0;
    for (; j < d; ++j) dot += gi[j] * weight[j] * xi[j];
    for (const float lane : lanes) dot += lane;
    const float pull = dot * r * r * r / static_cast<float>(d);
    for (j = 0; j < d; ++j) {
      out[j] = gi[j] * weight[j] * r - xi[j] * pull;
      grad_weight[j] += gi[j] * xi[j] * r;
    }
  }
}

/// Work is cut into as many parts as there are threads, so that sums are the same on every run.
template <class F>
void for_parts(int64_t n_rows, const F& work) {
  const int64_t n_parts =
      std::max<int64_t>(1, std::min<int64_t>(at::get_num_threads(), n_rows / 64));
  at::parallel_for(0, n_parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part)
      work(part, n_rows * part / n_parts, n_rows * (part + 1) / n_parts);
  });
}

class Fused : public torch::autograd::Function<Fused> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x_in,
                            const at::Tensor& weight, double epsilon) {
    const at::Tensor x = x_in.contiguous();
    const int64_t n = x.size(0), d = x.size(1);
    at::Tensor y = at::empty_like(x), scale = at::empty({n}, x.options());
    for_parts(n, [&](int64_t, int64_t begin, int64_t end) {
      rms_norm_kernel::forward(x.const_data_ptr<float>() + begin * d,
                               weight.const_data_ptr<float>(), y.data_ptr<float>() + begin * d,
                               scale.data_ptr<float>() + begin, end - begin, d,
                               static_cast<float>(epsilon));
    });
    context->save_for_backward({x, weight, scale});
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &scale = saved[2];
    const at::Tensor grad_y = grads[0].contiguous();
    const int64_t n = x.size(0), d = x.size(1);
    at::Tensor grad_x = at::empty_like(x);
    at::Tensor partial = at::zeros({at::get_num_threads(), d}, x.options());
    for_parts(n, [&](int64_t part, int64_t begin, int64_t end) {
      rms_norm_kernel::backward(
          x.const_data_ptr<float>() + begin * d, weight.const_data_ptr<float>(),
          scale.const_data_ptr<float>() + begin, grad_y.const_data_ptr<float>() + begin * d,
          grad_x.data_ptr<float>() + begin * d, partial.data_ptr<float>() + part * d, end - begin,
          d);
    });
    return {grad_x, partial.sum(0), at::Tensor()};
  }
};

}  // namespace rms_norm_kernel

at::Tensor rms_norm_naive(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  const auto wide = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor x_wide = x.to(wide);
  const at::Tensor scale = (x_wide.square().mean(-1, true) + epsilon).rsqrt();
  return weight * (x_wide * scale).to(x.scalar_type());
}

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  if (x.scalar_type() != at::kFloat || !x.is_cpu() || x.dim() != 2)
    return rms_norm_naive(x, weight, epsilon);
  return rms_norm_kernel::Fused::apply(x, weight, epsilon);
}

}  // namespace sublab

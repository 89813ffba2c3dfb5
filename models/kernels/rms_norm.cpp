// RMSNorm, alone and after an addition: naive form, fused form, gradient.
#include "models/kernels/rms_norm.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "models/kernels/device.h"
#include "models/kernels/lanes.h"
#include "models/kernels/rms_norm_body.h"
#include "models/kernels/vector_math.h"
#include "models/wide_type.h"

namespace sublab {
namespace rms_norm_kernel {

SUBLAB_CLONES void forward(const float* x, const float* weight, float* y, float* scale,
                           int64_t n_rows, int64_t d, float epsilon) {
  for (int64_t i = 0; i < n_rows; ++i)
    forward_row<1>(Lanes{}, x + i * d, weight, y + i * d, scale + i, d, epsilon);
}

SUBLAB_CLONES void add_forward(const float* x, const float* residual, const float* weight, float* s,
                               float* y, float* scale, int64_t n_rows, int64_t d, float epsilon) {
  for (int64_t i = 0; i < n_rows; ++i)
    add_forward_row<1>(Lanes{}, x + i * d, residual + i * d, weight, s + i * d, y + i * d,
                       scale + i, d, epsilon);
}

SUBLAB_CLONES void backward(const float* x, const float* weight, const float* scale,
                            const float* grad_y, float* grad_x, float* grad_weight, int64_t n_rows,
                            int64_t d) {
  for (int64_t i = 0; i < n_rows; ++i)
    backward_row<false, 1, Lanes, float>(Lanes{}, x + i * d, weight, scale[i], grad_y + i * d,
                                         nullptr, grad_x + i * d, grad_weight, d);
}

SUBLAB_CLONES void add_backward(const float* x, const float* weight, const float* scale,
                                const float* grad_y, const float* grad_residual, float* grad_x,
                                float* grad_weight, int64_t n_rows, int64_t d) {
  for (int64_t i = 0; i < n_rows; ++i)
    backward_row<true, 1>(Lanes{}, x + i * d, weight, scale[i], grad_y + i * d,
                          grad_residual + i * d, grad_x + i * d, grad_weight, d);
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

/// x [N, D], or x + residual where residual is defined, normalised into y; scale [N]. s receives
/// the sum.
void forward_all(const at::Tensor& x, const at::Tensor& residual, const at::Tensor& weight,
                 at::Tensor& s, at::Tensor& y, at::Tensor& scale, float epsilon) {
  const int64_t n = x.size(0), d = x.size(1);
  const void* added = residual.defined() ? residual.const_data_ptr() : nullptr;
  if constexpr (kCudaKernels)
    if (x.is_cuda())
      return launch(x, [&](cuda::Launch at) {
        return cuda::rms_norm_forward(at, x.const_data_ptr(), added, weight.const_data_ptr(),
                                      added ? s.data_ptr() : nullptr, y.data_ptr(),
                                      scale.data_ptr<float>(), n, d, epsilon);
      });
  const auto* from = x.const_data_ptr<float>();
  const auto* w = weight.const_data_ptr<float>();
  auto* out = y.data_ptr<float>();
  auto* r = scale.data_ptr<float>();
  auto* sum = added ? s.data_ptr<float>() : nullptr;
  for_parts(n, [&](int64_t, int64_t begin, int64_t end) {
    const int64_t first = begin * d;
    if (added)
      add_forward(from + first, static_cast<const float*>(added) + first, w, sum + first,
                  out + first, r + begin, end - begin, d, epsilon);
    else
      rms_norm_kernel::forward(from + first, w, out + first, r + begin, end - begin, d, epsilon);
  });
}

/// Gradients of x (with grad_residual added where defined) and of weight.
std::pair<at::Tensor, at::Tensor> backward_all(const torch::autograd::variable_list& saved,
                                               const at::Tensor& grad_y_in,
                                               const at::Tensor& grad_residual_in) {
  const at::Tensor &x = saved[0], &weight = saved[1], &scale = saved[2];
  const at::Tensor grad_y = grad_y_in.contiguous();
  const at::Tensor grad_residual =
      grad_residual_in.defined() ? grad_residual_in.contiguous() : grad_residual_in;
  const void* added = grad_residual.defined() ? grad_residual.const_data_ptr() : nullptr;
  const int64_t n = x.size(0), d = x.size(1);
  at::Tensor grad_x = at::empty_like(x);
  if constexpr (kCudaKernels)
    if (x.is_cuda()) {
      at::Tensor partial = at::empty({cuda::n_parts(n), d}, scale.options());
      launch(x, [&](cuda::Launch at) {
        return cuda::rms_norm_backward(at, x.const_data_ptr(), weight.const_data_ptr(),
                                       scale.const_data_ptr<float>(), grad_y.const_data_ptr(),
                                       added, grad_x.data_ptr(), partial.data_ptr<float>(), n, d);
      });
      return {grad_x, partial.sum(0).to(weight.scalar_type())};
    }
  at::Tensor partial = at::zeros({at::get_num_threads(), d}, x.options());
  const auto *from = x.const_data_ptr<float>(), *w = weight.const_data_ptr<float>(),
             *r = scale.const_data_ptr<float>(), *grad = grad_y.const_data_ptr<float>();
  auto *out = grad_x.data_ptr<float>(), *sums = partial.data_ptr<float>();
  for_parts(n, [&](int64_t part, int64_t begin, int64_t end) {
    const int64_t first = begin * d;
    if (added)
      add_backward(from + first, w, r + begin, grad + first,
                   static_cast<const float*>(added) + first, out + first, sums + part * d,
                   end - begin, d);
    else
      rms_norm_kernel::backward(from + first, w, r + begin, grad + first, out + first,
                                sums + part * d, end - begin, d);
  });
  return {grad_x, partial.sum(0)};
}

class Fused : public torch::autograd::Function<Fused> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x_in,
                            const at::Tensor& weight_in, double epsilon) {
    const at::Tensor x = x_in.contiguous(), weight = weight_in.contiguous();
    at::Tensor y = at::empty_like(x), s;
    at::Tensor scale = at::empty({x.size(0)}, x.options().dtype(at::kFloat));
    forward_all(x, {}, weight, s, y, scale, static_cast<float>(epsilon));
    context->save_for_backward({x, weight, scale});
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto [grad_x, grad_weight] =
        backward_all(context->get_saved_variables(), grads[0], at::Tensor());
    return {grad_x, grad_weight, at::Tensor()};
  }
};

class FusedAdd : public torch::autograd::Function<FusedAdd> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context,
                                                const at::Tensor& x_in,
                                                const at::Tensor& residual_in,
                                                const at::Tensor& weight_in, double epsilon) {
    const at::Tensor x = x_in.contiguous(), residual = residual_in.contiguous(),
                     weight = weight_in.contiguous();
    at::Tensor s = at::empty_like(x), y = at::empty_like(x);
    at::Tensor scale = at::empty({x.size(0)}, x.options().dtype(at::kFloat));
    forward_all(x, residual, weight, s, y, scale, static_cast<float>(epsilon));
    context->save_for_backward({s, weight, scale});
    return {s, y};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto [grad_s, grad_weight] =
        backward_all(context->get_saved_variables(), grads[1], grads[0]);
    return {grad_s, grad_s, grad_weight, at::Tensor()};
  }
};

}  // namespace rms_norm_kernel

at::Tensor rms_norm_naive(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  const auto wide = wide_type(x);
  const at::Tensor x_wide = x.to(wide);
  const at::Tensor scale = (x_wide.square().mean(-1, true) + epsilon).rsqrt();
  return weight * (x_wide * scale).to(x.scalar_type());
}

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  if (x.dim() != 2 || !has_fused_form({x, weight})) return rms_norm_naive(x, weight, epsilon);
  return rms_norm_kernel::Fused::apply(x, weight, epsilon);
}

std::pair<at::Tensor, at::Tensor> add_rms_norm_naive(const at::Tensor& x,
                                                     const at::Tensor& residual,
                                                     const at::Tensor& weight, double epsilon) {
  const at::Tensor s = x + residual;
  return {s, rms_norm_naive(s, weight, epsilon)};
}

std::pair<at::Tensor, at::Tensor> add_rms_norm(const at::Tensor& x, const at::Tensor& residual,
                                               const at::Tensor& weight, double epsilon) {
  if (x.dim() != 2 || x.sizes() != residual.sizes() || !has_fused_form({x, residual, weight}))
    return add_rms_norm_naive(x, residual, weight, epsilon);
  const auto out = rms_norm_kernel::FusedAdd::apply(x, residual, weight, epsilon);
  return {out[0], out[1]};
}

}  // namespace sublab

// Gathering kept rows and bringing them back, with gradients.
#include "models/kernels/subsample.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "models/kernels/device.h"
#include "models/kernels/grain.h"
#include "models/kernels/lanes.h"
#include "models/kernels/subsample_body.h"
#include "models/kernels/vector_math.h"

namespace sublab {
namespace subsample_kernel {

SUBLAB_CLONES void add_rows(float* out, const float* x, const float* y, const int64_t* index,
                            const float* weights, const float* c, int64_t n, int64_t d) {
  for (int64_t i = 0; i < n; ++i)
    add_row<1>(Lanes{}, out + index[i] * d, x + index[i] * d, y + i * d, weights[i], c, d);
}

SUBLAB_CLONES void add_rows_backward(const float* grad_out, const float* x, const float* y,
                                     const int64_t* index, const float* weights, const float* c,
                                     float* grad_x, float* grad_y, float* grad_weights,
                                     float* grad_c, int64_t n, int64_t d) {
  for (int64_t i = 0; i < n; ++i) {
    const int64_t at = index[i] * d;
    grad_weights[i] = add_row_backward<1>(Lanes{}, grad_out + at, x + at, y + i * d, weights[i], c,
                                          grad_x + at, grad_y + i * d, grad_c, d);
  }
}

class Gather : public torch::autograd::Function<Gather> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& index) {
    context->save_for_backward({index.contiguous()});
    context->saved_data["rows"] = x.size(0);
    return x.index_select(0, index);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const at::Tensor index = context->get_saved_variables()[0];
    const at::Tensor grad = grads[0].contiguous();
    const int64_t d = grad.size(1);
    at::Tensor grad_x = at::zeros({context->saved_data["rows"].toInt(), d}, grad.options());
    if constexpr (kCudaKernels)
      if (grad.is_cuda()) {
        launch(grad, [&](cuda::Launch at) {
          return cuda::scatter_rows(at, grad.const_data_ptr(), index.const_data_ptr<int64_t>(),
                                    grad_x.data_ptr(), index.numel(), d);
        });
        return {grad_x, at::Tensor()};
      }
    const auto* from = static_cast<const char*>(grad.const_data_ptr());
    auto* to = static_cast<char*>(grad_x.data_ptr());
    const auto* rows = index.const_data_ptr<int64_t>();
    const int64_t row_bytes = d * grad.element_size();
    at::parallel_for(0, index.numel(), grain_of(d), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        std::memcpy(to + rows[i] * row_bytes, from + i * row_bytes, row_bytes);
    });
    return {grad_x, at::Tensor()};
  }
};

void return_forward(const at::Tensor& x, const at::Tensor& y, const at::Tensor& index,
                    const at::Tensor& weights, const at::Tensor& c, at::Tensor& out) {
  const int64_t d = x.size(1), n = index.numel();
  if constexpr (kCudaKernels)
    if (x.is_cuda())
      return launch(x, [&](cuda::Launch at) {
        return cuda::bypass_forward(at, x.const_data_ptr(), y.const_data_ptr(),
                                    index.const_data_ptr<int64_t>(), weights.const_data_ptr(),
                                    c.const_data_ptr(), out.data_ptr(), n, d);
      });
  at::parallel_for(0, n, grain_of(d), [&](int64_t begin, int64_t end) {
    add_rows(out.data_ptr<float>(), x.const_data_ptr<float>(),
             y.const_data_ptr<float>() + begin * d, index.const_data_ptr<int64_t>() + begin,
             weights.const_data_ptr<float>() + begin, c.const_data_ptr<float>(), end - begin, d);
  });
}

/// Fills the gradients of y and weights, takes what passed through y from grad_x, which holds grad,
/// and returns the gradient of c.
at::Tensor return_backward(const torch::autograd::variable_list& saved, const at::Tensor& grad,
                           at::Tensor& grad_x, at::Tensor& grad_y, at::Tensor& grad_weights) {
  const at::Tensor &x = saved[0], &y = saved[1], &index = saved[2], &weights = saved[3],
                   &c = saved[4];
  const int64_t d = x.size(1), n = index.numel();
  if constexpr (kCudaKernels)
    if (x.is_cuda()) {
      at::Tensor partial = at::empty({cuda::n_parts(n), d}, x.options().dtype(at::kFloat));
      launch(x, [&](cuda::Launch at) {
        return cuda::bypass_backward(at, grad.const_data_ptr(), x.const_data_ptr(),
                                     y.const_data_ptr(), index.const_data_ptr<int64_t>(),
                                     weights.const_data_ptr(), c.const_data_ptr(),
                                     grad_x.data_ptr(), grad_y.data_ptr(), grad_weights.data_ptr(),
                                     partial.data_ptr<float>(), n, d);
      });
      return partial.sum(0).to(c.scalar_type());
    }
  const int64_t n_parts = std::max<int64_t>(1, std::min<int64_t>(at::get_num_threads(), n / 64));
  at::Tensor partial = at::zeros({n_parts, d}, x.options());
  at::parallel_for(0, n_parts, 1, [&](int64_t first, int64_t last) {
    for (int64_t part = first; part < last; ++part) {
      const int64_t begin = n * part / n_parts, end = n * (part + 1) / n_parts;
      add_rows_backward(grad.const_data_ptr<float>(), x.const_data_ptr<float>(),
                        y.const_data_ptr<float>() + begin * d,
                        index.const_data_ptr<int64_t>() + begin,
                        weights.const_data_ptr<float>() + begin, c.const_data_ptr<float>(),
                        grad_x.data_ptr<float>(), grad_y.data_ptr<float>() + begin * d,
                        grad_weights.data_ptr<float>() + begin,
                        partial.data_ptr<float>() + part * d, end - begin, d);
    }
  });
  return partial.sum(0);
}

class Return : public torch::autograd::Function<Return> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x_in,
                            const at::Tensor& y_in, const at::Tensor& index_in,
                            const at::Tensor& weights_in, const at::Tensor& c_in) {
    const at::Tensor x = x_in.contiguous(), y = y_in.contiguous(), index = index_in.contiguous(),
                     weights = weights_in.contiguous(), c = c_in.contiguous();
    at::Tensor out = x.clone();
    return_forward(x, y, index, weights, c, out);
    context->save_for_backward({x, y, index, weights, c});
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor grad = grads[0].contiguous();
    at::Tensor grad_x = grad.clone(), grad_y = at::empty_like(saved[1]),
               grad_weights = at::empty_like(saved[3]);
    const at::Tensor grad_c = return_backward(saved, grad, grad_x, grad_y, grad_weights);
    return {grad_x, grad_y, at::Tensor(), grad_weights, grad_c};
  }
};

}  // namespace subsample_kernel

at::Tensor gather_rows(const at::Tensor& x, const at::Tensor& index) {
  if (!x.is_cpu() && !has_fused_form({x})) return x.index_select(0, index);
  return subsample_kernel::Gather::apply(x, index);
}

at::Tensor bypass_return_naive(const at::Tensor& x, const at::Tensor& y, const at::Tensor& index,
                               const at::Tensor& weights, const at::Tensor& c) {
  const at::Tensor w = weights.unsqueeze(1);
  const at::Tensor kept = (1 - w) * x.index_select(0, index) + w * y;
  const at::Tensor u = x.index_copy(0, index, kept);
  return x + c * (u - x);
}

at::Tensor bypass_return(const at::Tensor& x, const at::Tensor& y, const at::Tensor& index,
                         const at::Tensor& weights, const at::Tensor& c) {
  if (!has_fused_form({x, y, weights, c})) return bypass_return_naive(x, y, index, weights, c);
  return subsample_kernel::Return::apply(x, y, index, weights, c);
}

}  // namespace sublab

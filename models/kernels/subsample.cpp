#include "models/kernels/subsample.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include "models/kernels/vector_math.h"

namespace sublab {
namespace subsample_kernel {

SUBLAB_CLONES void add_rows(float* out, const float* x, const float* y, const int64_t* index,
                            const float* weights, const float* c, int64_t n, int64_t d) {
  for (int64_t i = 0; i < n; ++i) {
    float* o = out + index[i] * d;
    const float* xi = x + index[i] * d;
    const float* yi = y + i * d;
    const float w = weights[i];
    for (int64_t j = 0; j < d; ++j) o[j] += c[j] * w * (yi[j] - xi[j]);
  }
}

/// grad_x already holds grad_out; rows `index` lose what passed through y instead.
SUBLAB_CLONES void add_rows_backward(const float* grad_out, const float* x, const float* y,
                                     const int64_t* index, const float* weights, const float* c,
                                     float* grad_x, float* grad_y, float* grad_weights,
                                     float* grad_c, int64_t n, int64_t d) {
  for (int64_t i = 0; i < n; ++i) {
    const float* g = grad_out + index[i] * d;
    const float* xi = x + index[i] * d;
    const float* yi = y + i * d;
    float* gx = grad_x + index[i] * d;
    float* gy = grad_y + i * d;
    const float w = weights[i];
    float lanes[16] = {};
    int64_t j = 0;
    for (; j + 16 <= d; j += 16)
      for (int k = 0; k < 16; ++k) {
        const float moved = g[j + k] * (yi[j + k] - xi[j + k]);
        lanes[k] += moved * c[j + k];
        grad_c[j + k] += moved * w;
      }
    float sum = 0;
    for (; j < d; ++j) {
      const float moved = g[j] * (yi[j] - xi[j]);
      sum += moved * c[j];
      grad_c[j] += moved * w;
    }
    for (const float lane : lanes) sum += lane;
    grad_weights[i] = sum;
    for (j = 0; j < d; ++j) {
      const float through = g[j] * c[j] * w;
      gy[j] = through;
      gx[j] -= through;
    }
  }
}

class Gather : public torch::autograd::Function<Gather> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& index) {
    context->save_for_backward({index});
    context->saved_data["rows"] = x.size(0);
    return x.index_select(0, index);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const at::Tensor index = context->get_saved_variables()[0];
    const at::Tensor grad = grads[0].contiguous();
    const int64_t d = grad.size(1);
    at::Tensor grad_x = at::zeros({context->saved_data["rows"].toInt(), d}, grad.options());
    const auto* from = static_cast<const char*>(grad.const_data_ptr());
    auto* to = static_cast<char*>(grad_x.data_ptr());
    const auto* rows = index.const_data_ptr<int64_t>();
    const int64_t row_bytes = d * grad.element_size();
    at::parallel_for(0, index.numel(), 256, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        std::memcpy(to + rows[i] * row_bytes, from + i * row_bytes, row_bytes);
    });
    return {grad_x, at::Tensor()};
  }
};

class Return : public torch::autograd::Function<Return> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x_in,
                            const at::Tensor& y_in, const at::Tensor& index,
                            const at::Tensor& weights_in, const at::Tensor& c) {
    const at::Tensor x = x_in.contiguous(), y = y_in.contiguous(),
                     weights = weights_in.contiguous();
    const int64_t d = x.size(1);
    at::Tensor out = x.clone();
    at::parallel_for(0, index.numel(), 256, [&](int64_t begin, int64_t end) {
      add_rows(out.data_ptr<float>(), x.const_data_ptr<float>(),
               y.const_data_ptr<float>() + begin * d, index.const_data_ptr<int64_t>() + begin,
               weights.const_data_ptr<float>() + begin, c.const_data_ptr<float>(), end - begin, d);
    });
    context->save_for_backward({x, y, index, weights, c});
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &y = saved[1], &index = saved[2], &weights = saved[3];
    const at::Tensor grad = grads[0].contiguous();
    const int64_t d = x.size(1), n = index.numel();
    at::Tensor grad_x = grad.clone(), grad_y = at::empty_like(y),
               grad_weights = at::empty_like(weights);
    const int64_t n_parts = std::max<int64_t>(1, std::min<int64_t>(at::get_num_threads(), n / 64));
    at::Tensor partial = at::zeros({n_parts, d}, x.options());
    at::parallel_for(0, n_parts, 1, [&](int64_t first, int64_t last) {
      for (int64_t part = first; part < last; ++part) {
        const int64_t begin = n * part / n_parts, end = n * (part + 1) / n_parts;
        add_rows_backward(grad.const_data_ptr<float>(), x.const_data_ptr<float>(),
                          y.const_data_ptr<float>() + begin * d,
                          index.const_data_ptr<int64_t>() + begin,
                          weights.const_data_ptr<float>() + begin, saved[4].const_data_ptr<float>(),
                          grad_x.data_ptr<float>(), grad_y.data_ptr<float>() + begin * d,
                          grad_weights.data_ptr<float>() + begin,
                          partial.data_ptr<float>() + part * d, end - begin, d);
      }
    });
    return {grad_x, grad_y, at::Tensor(), grad_weights, partial.sum(0)};
  }
};

}  // namespace subsample_kernel

at::Tensor gather_rows(const at::Tensor& x, const at::Tensor& index) {
  if (!x.is_cpu()) return x.index_select(0, index);
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
  if (x.scalar_type() != at::kFloat || !x.is_cpu())
    return bypass_return_naive(x, y, index, weights, c);
  return subsample_kernel::Return::apply(x, y, index, weights, c);
}

}  // namespace sublab

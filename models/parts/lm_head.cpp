#include "models/parts/lm_head.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "models/kernels/vector_math.h"

namespace sublab {
namespace lm_head {

/// Tokens per chunk: the logits of one chunk stay below 16 MB of fp32.
int64_t chunk_tokens(int64_t vocab_size) {
  return std::clamp<int64_t>((int64_t{1} << 22) / vocab_size, 64, 4096);
}

/// Turns a row of logits into d loss / d logits, in place, and returns its loss.
SUBLAB_CLONES float softmax_gradient(float* logits, int64_t vocab_size, int64_t label,
                                     float scale) {
  float high[16];
  for (int k = 0; k < 16; ++k) high[k] = logits[0];
  int64_t j = 0;
  for (; j + 16 <= vocab_size; j += 16)
    for (int k = 0; k < 16; ++k) high[k] = high[k] > logits[j + k] ? high[k] : logits[j + k];
  float top = logits[0];
  for (const float lane : high) top = top > lane ? top : lane;
  for (; j < vocab_size; ++j) top = top > logits[j] ? top : logits[j];
  const float target = logits[label] - top;
  float lanes[16] = {};
  for (j = 0; j + 16 <= vocab_size; j += 16)
    for (int k = 0; k < 16; ++k) {
      logits[j + k] = fast_exp(logits[j + k] - top);
      lanes[k] += logits[j + k];
    }
  float sum = 0;
  for (; j < vocab_size; ++j) sum += logits[j] = fast_exp(logits[j] - top);
  for (const float lane : lanes) sum += lane;
  const float factor = scale / sum;
  for (j = 0; j < vocab_size; ++j) logits[j] *= factor;
  logits[label] -= scale;
  return std::log(sum) - target;
}

/// Sum of the chunk's losses; `logits` [C, V] become gradients.
double chunk_gradient(at::Tensor& logits, const at::Tensor& labels, double divisor) {
  const int64_t n = logits.size(0), v = logits.size(1);
  const auto* label = labels.const_data_ptr<int64_t>();
  if (logits.scalar_type() != at::kFloat || !logits.is_cpu()) {
    const at::Tensor log_p = logits.log_softmax(1);
    const at::Tensor counted = labels.ge(0);
    const at::Tensor target = labels.clamp_min(0).unsqueeze(1);
    const at::Tensor loss = log_p.gather(1, target).squeeze(1).neg().masked_fill(~counted, 0).sum();
    logits = log_p.exp().scatter_add(1, target, at::full_like(target, -1, log_p.options()));
    logits.mul_(counted.unsqueeze(1)).div_(divisor);
    return loss.item<double>();
  }
  at::Tensor losses = at::zeros({n}, at::kDouble);
  auto* loss = losses.data_ptr<double>();
  auto* rows = logits.data_ptr<float>();
  at::parallel_for(0, n, 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      if (label[i] < 0)
        std::fill(rows + i * v, rows + (i + 1) * v, 0.0f);
      else
        loss[i] = softmax_gradient(rows + i * v, v, label[i], static_cast<float>(1 / divisor));
    }
  });
  return losses.sum().item<double>();
}

class Loss : public torch::autograd::Function<Loss> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& hidden_in,
                            const at::Tensor& head, const at::Tensor& labels, double divisor) {
    const at::Tensor hidden = hidden_in.contiguous();
    const int64_t n = hidden.size(0), chunk = chunk_tokens(head.size(0));
    at::Tensor grad_hidden = at::empty_like(hidden), grad_head = at::zeros_like(head);
    const at::Tensor head_t = head.t();
    double loss = 0;
    for (int64_t begin = 0; begin < n; begin += chunk) {
      const int64_t end = std::min(begin + chunk, n);
      const at::Tensor h = hidden.slice(0, begin, end);
      at::Tensor logits = at::mm(h, head_t);
      loss += chunk_gradient(logits, labels.slice(0, begin, end), divisor);
      at::Tensor out = grad_hidden.slice(0, begin, end);
      at::mm_out(out, logits, head);
      grad_head.addmm_(logits.t(), h);
    }
    context->save_for_backward({grad_hidden, grad_head});
    return at::scalar_tensor(loss / divisor, hidden.options());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const bool unit = grads[0].is_cpu() && grads[0].item<double>() == 1.0;
    if (unit) return {saved[0], saved[1], at::Tensor(), at::Tensor()};
    return {saved[0] * grads[0], saved[1] * grads[0], at::Tensor(), at::Tensor()};
  }
};

template <class F>
void for_chunks(const at::Tensor& hidden, const at::Tensor& head, const F& work) {
  const int64_t chunk = chunk_tokens(head.size(0));
  for (int64_t begin = 0; begin < hidden.size(0); begin += chunk) {
    const int64_t end = std::min(begin + chunk, hidden.size(0));
    work(begin, end, at::mm(hidden.slice(0, begin, end), head.t()));
  }
}

}  // namespace lm_head

at::Tensor lm_loss(const at::Tensor& hidden, const at::Tensor& head, const at::Tensor& labels,
                   double divisor) {
  return lm_head::Loss::apply(hidden, head, labels, divisor);
}

at::Tensor lm_loss_naive(const at::Tensor& hidden, const at::Tensor& head, const at::Tensor& labels,
                         double divisor) {
  const at::Tensor log_p = at::mm(hidden, head.t()).log_softmax(1);
  const at::Tensor picked = log_p.gather(1, labels.clamp_min(0).unsqueeze(1)).squeeze(1);
  return -picked.masked_fill(labels.lt(0), 0).sum() / divisor;
}

at::Tensor token_losses(const at::Tensor& hidden, const at::Tensor& head,
                        const at::Tensor& labels) {
  at::NoGradGuard no_grad;
  at::Tensor out = at::zeros({hidden.size(0)}, hidden.options());
  lm_head::for_chunks(hidden, head, [&](int64_t begin, int64_t end, const at::Tensor& logits) {
    const at::Tensor label = labels.slice(0, begin, end);
    const at::Tensor picked = logits.gather(1, label.clamp_min(0).unsqueeze(1)).squeeze(1);
    out.slice(0, begin, end).copy_((logits.logsumexp(1) - picked).masked_fill(label.lt(0), 0));
  });
  return out;
}

at::Tensor token_entropies(const at::Tensor& hidden, const at::Tensor& head) {
  at::NoGradGuard no_grad;
  at::Tensor out = at::zeros({hidden.size(0)}, hidden.options());
  lm_head::for_chunks(hidden, head, [&](int64_t begin, int64_t end, const at::Tensor& logits) {
    const at::Tensor log_p = logits.log_softmax(1);
    out.slice(0, begin, end).copy_(-(log_p.exp() * log_p).sum(1));
  });
  return out;
}

at::Tensor token_hits(const at::Tensor& hidden, const at::Tensor& head, const at::Tensor& labels) {
  at::NoGradGuard no_grad;
  at::Tensor out = at::zeros({hidden.size(0)}, hidden.options().dtype(at::kBool));
  lm_head::for_chunks(hidden, head, [&](int64_t begin, int64_t end, const at::Tensor& logits) {
    out.slice(0, begin, end).copy_(logits.argmax(1).eq(labels.slice(0, begin, end)));
  });
  return out;
}

}  // namespace sublab

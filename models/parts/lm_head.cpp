// Loss and its gradients chunk by chunk.
#include "models/parts/lm_head.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "models/kernels/skinny_linear.h"
#include "models/kernels/softmax_gradient.h"
#include "models/transfer.h"

namespace sublab {

int64_t loss_chunk_tokens(int64_t vocab_size, at::Device device) {
  if (device.is_cuda()) return std::clamp<int64_t>((int64_t{1} << 27) / vocab_size, 64, 65536);
  return std::clamp<int64_t>((int64_t{1} << 22) / vocab_size, 64, 4096);
}

namespace lm_head {

class Loss : public torch::autograd::Function<Loss> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& hidden_in,
                            const at::Tensor& head, const at::Tensor& labels, double divisor) {
    const at::Tensor hidden = hidden_in.contiguous();
    const int64_t n = hidden.size(0), chunk = loss_chunk_tokens(head.size(0), head.device());
    at::Tensor grad_hidden = at::empty_like(hidden), grad_head = at::zeros_like(head);
    const at::Tensor head_t = head.t();
    at::Tensor loss = at::zeros({}, hidden.options().dtype(at::kDouble));
    for (int64_t begin = 0; begin < n; begin += chunk) {
      const int64_t end = std::min(begin + chunk, n);
      const at::Tensor h = hidden.slice(0, begin, end);
      at::Tensor logits = at::mm(h, head_t);
      loss += softmax_gradient(logits, labels.slice(0, begin, end), divisor);
      at::Tensor out = grad_hidden.slice(0, begin, end);
      at::mm_out(out, logits, head);
      grad_head.addmm_(logits.t(), h);
    }
    context->save_for_backward({grad_hidden, grad_head});
    return (loss / divisor).to(hidden.scalar_type());
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
  const int64_t chunk = loss_chunk_tokens(head.size(0), head.device());
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

at::Tensor next_logits(const at::Tensor& hidden, const Rows& rows, const at::Tensor& head) {
  if (rows.equal_length() == 1) return linear_map(hidden, head, at::Tensor());
  std::vector<int64_t> last;
  for (int64_t b = 0; b < rows.n_rows(); ++b) {
    int64_t place = rows.length(b) - 1;
    for (int64_t i = 0; !rows.ascending() && i < rows.length(b); ++i)
      if (rows.ordinal(b, i) > rows.ordinal(b, place)) place = i;
    last.push_back(rows.begin(b) + place);
  }
  // Steps of one token per row need no index.
  const bool all = static_cast<int64_t>(last.size()) == rows.n_tokens();
  const at::Tensor of_last = all ? hidden : hidden.index_select(0, sent_to(hidden.device(), last));
  return linear_map(of_last, head, at::Tensor());
}

at::Tensor token_guesses(const at::Tensor& hidden, const at::Tensor& head) {
  at::NoGradGuard no_grad;
  at::Tensor out = at::zeros({hidden.size(0)}, hidden.options().dtype(at::kLong));
  lm_head::for_chunks(hidden, head, [&](int64_t begin, int64_t end, const at::Tensor& logits) {
    out.slice(0, begin, end).copy_(logits.argmax(1));
  });
  return out;
}

}  // namespace sublab

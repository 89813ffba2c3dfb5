// Cross-entropy and its gradient in the logits' own memory.
#include "models/kernels/softmax_gradient.h"

#include <ATen/Parallel.h>

#include "models/kernels/device.h"
#include "models/kernels/grain.h"
#include "models/kernels/lanes.h"
#include "models/kernels/softmax_gradient_body.h"

namespace sublab {
namespace softmax_kernel {

SUBLAB_CLONES void gradient_rows(float* logits, const int64_t* labels, double* losses, int64_t n,
                                 int64_t v, float scale) {
  for (int64_t i = 0; i < n; ++i)
    losses[i] = gradient_row<1>(Lanes{}, logits + i * v, v, labels[i], scale);
}

}  // namespace softmax_kernel

at::Tensor softmax_gradient_naive(at::Tensor& logits, const at::Tensor& labels, double divisor) {
  const at::Tensor log_p = logits.log_softmax(1);
  const at::Tensor counted = labels.ge(0);
  const at::Tensor target = labels.clamp_min(0).unsqueeze(1);
  const at::Tensor loss = log_p.gather(1, target).squeeze(1).neg().masked_fill(~counted, 0);
  logits = log_p.exp().scatter_add(1, target, at::full_like(target, -1, log_p.options()));
  logits.mul_(counted.unsqueeze(1)).div_(divisor);
  return loss.sum(at::kDouble);
}

at::Tensor softmax_gradient(at::Tensor& logits, const at::Tensor& labels_in, double divisor) {
  if (!logits.is_contiguous() || !has_fused_form({logits}))
    return softmax_gradient_naive(logits, labels_in, divisor);
  const at::Tensor labels = labels_in.contiguous();
  const int64_t n = logits.size(0), v = logits.size(1);
  const auto scale = static_cast<float>(1 / divisor);
  at::Tensor losses = at::empty({n}, logits.options().dtype(at::kDouble));
  const auto* label = labels.const_data_ptr<int64_t>();
  auto* loss = losses.data_ptr<double>();
  if constexpr (kCudaKernels)
    if (logits.is_cuda()) {
      launch(logits, [&](cuda::Launch at) {
        return cuda::softmax_gradient(at, logits.data_ptr(), label, loss, n, v, scale);
      });
      return losses.sum();
    }
  auto* rows = logits.data_ptr<float>();
  at::parallel_for(0, n, grain_of(v), [&](int64_t begin, int64_t end) {
    softmax_kernel::gradient_rows(rows + begin * v, label + begin, loss + begin, end - begin, v,
                                  scale);
  });
  return losses.sum();
}

}  // namespace sublab

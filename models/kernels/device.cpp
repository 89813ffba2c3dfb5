// Picks the fused form, and launches CUDA kernels on the tensors' stream.
#include "models/kernels/device.h"

#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>

namespace sublab {

bool has_fused_form(std::initializer_list<std::reference_wrapper<const at::Tensor>> tensors) {
  const at::Tensor& first = *tensors.begin();
  const auto type = first.scalar_type();
  const bool known = type == at::kFloat ? first.is_cpu() || on_cuda(first)
                                        : type == at::kBFloat16 && on_cuda(first);
  return known && std::all_of(tensors.begin(), tensors.end(), [&](const at::Tensor& x) {
           return x.scalar_type() == type && x.device() == first.device();
         });
}

at::Tensor sent(const at::Tensor& numbers, at::Device device) {
  if (!device.is_cuda()) return numbers.to(device);
  return numbers.pin_memory().to(device, /*non_blocking=*/true);
}

void launch(const at::Tensor& x, const std::function<cuda::Error(cuda::Launch)>& kernel) {
  const c10::DeviceGuard guard(x.device());
  const c10::Stream stream = c10::impl::VirtualGuardImpl(x.device().type()).getStream(x.device());
  const auto number =
      x.scalar_type() == at::kFloat ? cuda::Number::kFloat32 : cuda::Number::kBfloat16;
  const cuda::Error error = kernel({number, static_cast<CUstream_st*>(stream.native_handle())});
  TORCH_CHECK(error == nullptr, "launching a CUDA kernel: ", error);
}

}  // namespace sublab

// What goes from the host to the device that a model runs on.
#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace sublab {

/// `on_host` on `device`, without the host waiting for what the device has still to do: a CUDA copy
/// goes through pinned memory, since one from ordinary memory would wait. On the CPU it is the
/// tensor itself.
at::Tensor sent_to(at::Device device, const at::Tensor& on_host);

/// The same for int64 numbers, [n].
at::Tensor sent_to(at::Device device, const std::vector<int64_t>& numbers);

}  // namespace sublab

// Work of fixed shapes that a device is given again and again.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <memory>

namespace sublab {

/// CUDA: captured in a graph when it is made, and launched as one from then on, so that the host
/// does not pay for its hundred launches. Other devices do the work anew each time.
class ReplayedWork {
 public:
  /// `work` reads and writes tensors that outlive it, at the same place each time, asks the host
  /// nothing, and has run once before, so that libraries are set up. CUDA: its launches are
  /// captured, not executed.
  ReplayedWork(at::Device device, std::function<at::Tensor()> work);
  ~ReplayedWork();
  ReplayedWork(const ReplayedWork&) = delete;
  ReplayedWork& operator=(const ReplayedWork&) = delete;

  /// What `work` returns, done now; the caller's own.
  at::Tensor operator()();

 private:
  struct Graph;  // CUDA's; elsewhere there is none
  std::function<at::Tensor()> work_;
  std::unique_ptr<Graph> graph_;
};

}  // namespace sublab

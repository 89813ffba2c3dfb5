// CUDA graphs where there is CUDA, plain calls elsewhere.
#include "models/kernels/replay.h"

#ifdef SUBLAB_CUDA
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#endif

namespace sublab {

#ifdef SUBLAB_CUDA

struct ReplayedWork::Graph {
  /// Captures `work` on a stream beside the one that is at work: the default stream cannot be.
  explicit Graph(const std::function<at::Tensor()>& work) {
    static const c10::cuda::CUDAStream beside = c10::cuda::getStreamFromPool();
    // What graphs need in between lies in one pool; nothing in it is read between two replays.
    static const at::cuda::MempoolId_t pool = at::cuda::graph_pool_handle();
    c10::cuda::device_synchronize();
    const c10::cuda::CUDAStreamGuard guard(beside);
    graph.capture_begin(pool, cudaStreamCaptureModeThreadLocal);
    out = work();
    graph.capture_end();
  }

  at::cuda::CUDAGraph graph;
  at::Tensor out;
};

#else

struct ReplayedWork::Graph {};

#endif

ReplayedWork::ReplayedWork(at::Device device, std::function<at::Tensor()> work)
    : work_(std::move(work)) {
#ifdef SUBLAB_CUDA
  if (device.is_cuda()) graph_ = std::make_unique<Graph>(work_);
#else
  (void)device;
#endif
}

ReplayedWork::~ReplayedWork() = default;

at::Tensor ReplayedWork::operator()() {
#ifdef SUBLAB_CUDA
  if (graph_) {
    graph_->graph.replay();
    return graph_->out.clone();  // the next graph may write where it lies
  }
#endif
  return work_();
}

}  // namespace sublab

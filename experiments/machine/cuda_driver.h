// What the driver of CUDA says of this machine, and why there is no device where there is none.
#pragma once

#include <cstdint>
#include <string>

namespace sublab {

/// As the driver's library says; it is loaded at run time, so that a machine without it can say so.
struct CudaDriver {
  bool found = false;   ///< the library is there
  int64_t version = 0;  ///< of CUDA that it supports at most, 1000 major + 10 minor; 0 = not said
  std::string error;    ///< why it does not start; "" where it does
  int64_t n_devices = 0;
};
CudaDriver cuda_driver(const std::string& file = "libcuda.so.1");

/// The CUDA that LibTorch was built with, in the driver's numbers; 0 where it has none.
int64_t libtorch_cuda_version();

/// "13.0" of 13000.
std::string cuda_version_text(int64_t version);

/// How this program came to be.
struct CudaBuild {
  bool with_cuda = false;        ///< SUBLAB_CUDA
  int64_t libtorch_version = 0;  ///< libtorch_cuda_version()
};
CudaBuild cuda_build();

/// One line without a full stop; of several reasons the one that must be mended first.
std::string why_no_cuda(const CudaBuild& build, const CudaDriver& driver);

}  // namespace sublab

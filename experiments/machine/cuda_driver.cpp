// A few calls of libcuda.so.1, found by name (experiments/machine/cuda_driver.h).
#include "experiments/machine/cuda_driver.h"

#include <ATen/Context.h>
#include <dlfcn.h>

#include <cstdlib>

namespace sublab {
namespace cuda_driver_detail {

class Library {
 public:
  explicit Library(const std::string& file)
      : handle_(::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) {}
  bool found() const { return handle_; }

  /// What the function of this name returns: 0 where it succeeds, -1 where there is none.
  template <class... Arguments>
  int call(const char* name, Arguments... arguments) const {
    using Function = int (*)(Arguments...);
    const auto function = handle_ ? reinterpret_cast<Function>(::dlsym(handle_, name)) : nullptr;
    return function ? function(arguments...) : -1;
  }

 private:
  void* handle_;
};

std::string error_text(const Library& library, int code) {
  const char* text = nullptr;
  if (library.call("cuGetErrorString", code, &text) != 0 || !text) text = "unknown error";
  return std::string(text) + " (" + std::to_string(code) + ")";
}

}  // namespace cuda_driver_detail

CudaDriver cuda_driver(const std::string& file) {
  const cuda_driver_detail::Library library(file);
  CudaDriver out;
  out.found = library.found();
  if (!out.found) return out;
  int version = 0, devices = 0;
  if (library.call("cuDriverGetVersion", &version) == 0) out.version = version;
  if (const int code = library.call("cuInit", 0u); code != 0)
    out.error = cuda_driver_detail::error_text(library, code);
  else if (library.call("cuDeviceGetCount", &devices) == 0)
    out.n_devices = devices;
  return out;
}

int64_t libtorch_cuda_version() {
  const auto& hooks = at::detail::getCUDAHooks();
  return hooks.hasCUDART() ? hooks.versionCUDART() : 0;
}

CudaBuild cuda_build() {
#ifdef SUBLAB_CUDA
  return {true, libtorch_cuda_version()};
#else
  return {};
#endif
}

std::string cuda_version_text(int64_t version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string why_no_cuda(const CudaBuild& build, const CudaDriver& driver) {
  if (!build.with_cuda) return "this program was built without CUDA (cmake -DSUBLAB_CUDA=ON)";
  if (build.libtorch_version == 0)
    return "the LibTorch that this program runs with has no CUDA (libtorch_cuda.so is not loaded)";
  if (!driver.found) return "this machine has no NVIDIA driver (libcuda.so.1 is not there)";
  if (driver.version > 0 && driver.version / 1000 < build.libtorch_version / 1000)
    return "the NVIDIA driver is too old: it supports CUDA up to " +
           cuda_version_text(driver.version) + ", and this program's LibTorch is of CUDA " +
           cuda_version_text(build.libtorch_version) + "; install a newer driver";
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  const std::string hidden =
      visible ? " (CUDA_VISIBLE_DEVICES is '" + std::string(visible) + "')" : "";
  if (!driver.error.empty()) return "the NVIDIA driver does not start: " + driver.error + hidden;
  if (driver.n_devices == 0) return "this machine shows no CUDA device" + hidden;
  return "LibTorch finds no CUDA device, though the driver shows " +
         std::to_string(driver.n_devices) + hidden;
}

}  // namespace sublab

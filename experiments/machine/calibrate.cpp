// Times matrix products, a long read, a copy and an empty call.
#include "experiments/machine/calibrate.h"

#include <ATen/Context.h>

#include <algorithm>
#include <functional>

#include "analysis/statistics/statistics.h"
#include "core/schema/calibration.h"
#include "experiments/machine/stopwatch.h"
#include "experiments/machine/tensor_memory.h"

namespace sublab {
namespace {

/// Median seconds of one call's work on `device`, after a warm-up.
double seconds_of(at::Device device, const std::function<void()>& work) {
  constexpr int kRounds = 9;
  work();
  std::vector<double> seconds;
  for (int i = 0; i < kRounds; ++i) {
    const Stopwatch watch(device);
    work();
    seconds.push_back(watch.seconds());
  }
  return median(seconds);
}

/// Float32 products by rounded tensor cores, or not, as long as it lives.
class TensorFloat32 {
 public:
  explicit TensorFloat32(bool on) : before_(at::globalContext().allowTF32CuBLAS()) {
    if (on != before_) at::globalContext().setAllowTF32CuBLAS(on);
  }
  ~TensorFloat32() {
    if (at::globalContext().allowTF32CuBLAS() != before_)
      at::globalContext().setAllowTF32CuBLAS(before_);
  }
  TensorFloat32(const TensorFloat32&) = delete;
  TensorFloat32& operator=(const TensorFloat32&) = delete;

 private:
  bool before_;
};

/// Enough products for a timing that a launch does not shape.
int64_t repeats_of(const MatmulShape& shape, at::Device device) {
  constexpr double kCpuFlops = 2e9, kDeviceFlops = 1e12;
  constexpr int64_t kMost = 64, kMostOnCpu = 8;
  if (device.is_cpu()) return shape.flops() < kCpuFlops / kMostOnCpu ? kMostOnCpu : 1;
  return std::clamp<int64_t>(static_cast<int64_t>(kDeviceFlops / shape.flops()), 1, kMost);
}

double matmul_gflops(const std::string& dtype, const MatmulShape& shape, at::Device device) {
  const TensorFloat32 rounded(dtype == "tf32");
  const auto options = at::device(device).dtype(dtype == "bfloat16" ? at::kBFloat16 : at::kFloat);
  // A weight is stored [n, k], as a linear map's is.
  const at::Tensor a = at::randn({shape.m, shape.k}, options),
                   b = at::randn({shape.n, shape.k}, options).t();
  at::Tensor c = at::empty({shape.m, shape.n}, options);
  const int64_t repeats = repeats_of(shape, device);
  const double seconds = seconds_of(device, [&] {
    for (int64_t i = 0; i < repeats; ++i) at::mm_out(c, a, b);
  });
  return static_cast<double>(repeats) * shape.flops() / seconds / 1e9;
}

/// A CPU needs seconds for what a device does at once.
MatmulShape affordable(MatmulShape shape, const std::string& dtype, at::Device device) {
  const double most = dtype == "float32" ? 1e9 : 1e8;  // a CPU may be slow in another format
  if (device.is_cpu() && shape.flops() > most) {
    const double share = most / shape.flops();
    shape.m = std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(shape.m) * share));
  }
  return shape;
}

std::vector<MatmulShape> with_squares(const std::vector<MatmulShape>& shapes,
                                      const std::string& dtype, at::Device device) {
  std::vector<int64_t> sizes = {256, 512, 1024, 1536};
  if (!device.is_cpu()) sizes.insert(sizes.end(), {4096, 8192});
  if (device.is_cpu() && dtype != "float32") sizes.resize(1);
  std::vector<MatmulShape> out;
  for (const int64_t n : sizes) out.push_back({n, n, n});
  for (const MatmulShape& shape : shapes)
    if (const MatmulShape own = affordable(shape, dtype, device);
        std::find(out.begin(), out.end(), own) == out.end())
      out.push_back(own);
  return out;
}

/// Reads and copies go round several buffers, so that no cache answers: on a CPU 256 MB, on a
/// device gigabytes.
void time_memory(at::Device device, Calibration& out) {
  constexpr int64_t kCpuNumbers = int64_t{1} << 26, kDeviceNumbers = int64_t{1} << 28;
  constexpr size_t kDeviceBuffers = 4;
  int64_t numbers = device.is_cpu() ? kCpuNumbers : kDeviceNumbers;
  std::vector<at::Tensor> buffers{at::rand({1}, device)};  // the allocator works from here on
  if (const auto memory = device_memory(device)) {
    constexpr int64_t kShare = 8 * (kDeviceBuffers + 1) * sizeof(float);
    numbers = std::min(numbers, memory->total_bytes / kShare);
  }
  buffers[0] = at::rand({numbers}, device);
  while (!device.is_cpu() && buffers.size() < kDeviceBuffers)
    buffers.push_back(at::rand({numbers}, device));
  const auto bytes = static_cast<double>(buffers.size() * buffers[0].nbytes());
  out.read_gb_per_s = bytes /
                      seconds_of(device,
                                 [&] {
                                   for (const at::Tensor& buffer : buffers) buffer.sum();
                                 }) /
                      1e9;
  at::Tensor copy = at::empty_like(buffers[0]);
  out.copy_gb_per_s = 2 * bytes /
                      seconds_of(device,
                                 [&] {
                                   for (const at::Tensor& buffer : buffers) copy.copy_(buffer);
                                 }) /
                      1e9;
}

double seconds_of_a_launch(at::Device device) {
  constexpr int kLaunches = 1000;
  at::Tensor tiny = at::zeros({1}, device);
  return seconds_of(device,
                    [&] {
                      for (int i = 0; i < kLaunches; ++i) tiny.add_(1);
                    }) /
         kLaunches;
}

}  // namespace

std::string MatmulShape::text() const {
  if (m == k && k == n) return std::to_string(m);
  return std::to_string(m) + "x" + std::to_string(k) + "x" + std::to_string(n);
}

double matmul_flops_per_s(at::Device device, const std::string& dtype) {
  at::NoGradGuard no_grad;
  const int64_t n = device.is_cpu() ? 1024 : 4096;
  return matmul_gflops(dtype, {n, n, n}, device) * 1e9;
}

double Calibration::flops_per_s(const std::string& dtype) const {
  double best = 0;
  for (const MatmulRate& rate : matmuls)
    if (rate.dtype == dtype) best = std::max(best, rate.gflops_per_s);
  return best * 1e9;
}

json Calibration::flops_per_s_by_dtype() const {
  json out = json::object();
  for (const MatmulRate& rate : matmuls) out[rate.dtype] = flops_per_s(rate.dtype);
  return out;
}

json Calibration::to_json() const {
  json out = {
      {"read_gb_per_s", read_gb_per_s}, {"copy_gb_per_s", copy_gb_per_s}, {"launch_us", launch_us}};
  for (const MatmulRate& rate : matmuls)
    out[matmul_rate_name(rate.dtype, rate.shape.text())] = rate.gflops_per_s;
  return out;
}

std::vector<std::string> dtypes_of(at::Device device) {
  if (!device.is_cuda()) return {"float32"};
  return {"float32", "tf32", "bfloat16"};
}

Calibration calibrate(at::Device device, std::vector<std::string> dtypes,
                      const std::vector<MatmulShape>& shapes) {
  at::NoGradGuard no_grad;
  if (dtypes.empty()) dtypes = dtypes_of(device);
  Calibration out;
  for (const std::string& dtype : dtypes)
    for (const MatmulShape& shape : with_squares(shapes, dtype, device))
      out.matmuls.push_back({dtype, shape, matmul_gflops(dtype, shape, device)});
  release_cached_memory(device);
  time_memory(device, out);
  out.launch_us = seconds_of_a_launch(device) * 1e6;
  release_cached_memory(device);
  return out;
}

double roofline_seconds(double flops, double bytes, double flops_per_s, double bytes_per_s) {
  return std::max(flops / flops_per_s, bytes / bytes_per_s);
}

}  // namespace sublab

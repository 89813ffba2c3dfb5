// Times a matrix product, a long read and an empty call.
#include "experiments/machine/calibrate.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <functional>

#include "analysis/statistics/statistics.h"
#include "experiments/machine/stopwatch.h"

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

double matmul_gflops(int64_t n, at::Device device) {
  const at::Tensor a = at::rand({n, n}, device), b = at::rand({n, n}, device);
  at::Tensor c = at::empty({n, n}, device);
  const int repeats = n <= 512 ? 8 : 1;
  const double seconds = seconds_of(device, [&] {
    for (int i = 0; i < repeats; ++i) at::mm_out(c, a, b);
  });
  return repeats * 2.0 * static_cast<double>(n * n * n) / seconds / 1e9;
}

}  // namespace

double matmul_flops_per_s() {
  at::NoGradGuard no_grad;
  return matmul_gflops(1024, at::kCPU) * 1e9;
}

double Calibration::flops_per_s() const {
  double best = 0;
  for (const auto& [n, rate] : matmul_gflops_per_s) best = std::max(best, rate);
  return best * 1e9;
}

json Calibration::to_json() const {
  json out = {
      {"read_gb_per_s", read_gb_per_s}, {"copy_gb_per_s", copy_gb_per_s}, {"launch_us", launch_us}};
  for (const auto& [n, rate] : matmul_gflops_per_s)
    out["matmul_" + std::to_string(n) + "_gflops_per_s"] = rate;
  return out;
}

Calibration calibrate(at::Device device) {
  at::NoGradGuard no_grad;
  Calibration out;
  std::vector<int64_t> sizes = {256, 512, 1024, 1536};
  if (!device.is_cpu()) sizes.insert(sizes.end(), {4096, 8192});  // a CPU needs minutes for these
  for (const int64_t n : sizes) out.matmul_gflops_per_s.emplace_back(n, matmul_gflops(n, device));
  const at::Tensor large = at::rand({1 << 26}, device);  // 256 MB, beyond every cache
  const auto bytes = static_cast<double>(large.nbytes());
  out.read_gb_per_s = bytes / seconds_of(device, [&] { large.sum(); }) / 1e9;
  at::Tensor copy = at::empty_like(large);
  out.copy_gb_per_s = 2 * bytes / seconds_of(device, [&] { copy.copy_(large); }) / 1e9;
  at::Tensor tiny = at::zeros({1}, device);
  constexpr int kLaunches = 1000;
  out.launch_us = seconds_of(device,
                             [&] {
                               for (int i = 0; i < kLaunches; ++i) tiny.add_(1);
                             }) /
                  kLaunches * 1e6;
  return out;
}

double roofline_seconds(double flops, double bytes, double flops_per_s, double bytes_per_s) {
  return std::max(flops / flops_per_s, bytes / bytes_per_s);
}

}  // namespace sublab

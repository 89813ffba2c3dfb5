// What this machine can do: the ceilings that measured speed is compared with.
#pragma once

#include <ATen/ATen.h>

#include <utility>
#include <vector>

#include "core/fields.h"

namespace sublab {

struct Calibration {
  /// Square matrices of this size, and the rate of their product in fp32.
  std::vector<std::pair<int64_t, double>> matmul_gflops_per_s;
  double read_gb_per_s = 0;  ///< sum over a tensor that no cache holds
  double copy_gb_per_s = 0;  ///< bytes read and written
  double launch_us = 0;      ///< the smallest operation

  /// The best rate of all sizes, in FLOPs per second.
  double flops_per_s() const;
  double read_bytes_per_s() const { return read_gb_per_s * 1e9; }
  json to_json() const;
};

/// The rate of one matrix product in fp32 on the CPU, in FLOPs per second. Takes a fifth of a
/// second.
double matmul_flops_per_s();

/// Takes a few seconds and half a gigabyte of `device`, with the threads that torch has now.
Calibration calibrate(at::Device device = at::kCPU);

/// Seconds that work of these FLOPs and bytes takes at least: the longer of the two.
double roofline_seconds(double flops, double bytes, double flops_per_s, double bytes_per_s);

}  // namespace sublab

// What this machine can do: the ceilings that measured speed is compared with.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "core/fields.h"

namespace sublab {

/// [m, k] times [k, n].
struct MatmulShape {
  int64_t m = 0, k = 0, n = 0;
  double flops() const { return 2.0 * static_cast<double>(m) * static_cast<double>(k * n); }
  bool operator==(const MatmulShape&) const = default;
  /// "512" of square matrices, else "4096x2048x5632".
  std::string text() const;
};

struct MatmulRate {
  std::string dtype;
  MatmulShape shape;
  double gflops_per_s = 0;
};

struct Calibration {
  std::vector<MatmulRate> matmuls;
  double read_gb_per_s = 0;  ///< sum over tensors that no cache holds
  double copy_gb_per_s = 0;  ///< bytes read and written
  double launch_us = 0;      ///< the smallest operation

  /// The best rate in `dtype`, in FLOPs per second; 0 where none was measured.
  double flops_per_s(const std::string& dtype = "float32") const;
  /// The same of every type that was measured, by its name.
  json flops_per_s_by_dtype() const;
  double read_bytes_per_s() const { return read_gb_per_s * 1e9; }
  json to_json() const;
};

/// The rate of one matrix product, in FLOPs per second. Takes about a fifth of a second.
double matmul_flops_per_s(at::Device device = at::kCPU, const std::string& dtype = "float32");

/// In which types products are timed when nobody says: float32, and on CUDA tf32 and bfloat16, too.
std::vector<std::string> dtypes_of(at::Device device);

/// Times products of square matrices and of `shapes` in each of `dtypes` ("float32", "bfloat16",
/// and on CUDA "tf32", which is float32 by rounded tensor cores), a long read, a copy and a launch,
/// with the threads that torch has now. Takes a few seconds and half a gigabyte, and on a device up
/// to an eighth of its memory, which it gives back. A shape that takes a CPU too long is timed with
/// fewer rows.
Calibration calibrate(at::Device device = at::kCPU, std::vector<std::string> dtypes = {},
                      const std::vector<MatmulShape>& shapes = {});

/// Seconds that work of these FLOPs and bytes takes at least: the longer of the two.
double roofline_seconds(double flops, double bytes, double flops_per_s, double bytes_per_s);

}  // namespace sublab

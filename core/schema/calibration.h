// The rates that a bench file's `calibration` states, by name.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/fields.h"

namespace sublab {

/// "matmul_512_gflops_per_s" in float32, "matmul_bfloat16_512_gflops_per_s" in another type.
/// `shape` is the size of square matrices, or "MxKxN" of [M, K] times [K, N].
std::string matmul_rate_name(const std::string& dtype, const std::string& shape);

/// A measured rate that speed is held against.
struct Ceiling {
  double per_s = 0;  ///< FLOPs or bytes
  std::string of;    ///< what reached it: "bfloat16, 4096x2048x5632"
};

/// The best rate of a matrix product in `dtype`; nothing where none was measured.
std::optional<Ceiling> matmul_ceiling(const json& calibration, const std::string& dtype);
/// The read bandwidth.
std::optional<Ceiling> read_ceiling(const json& calibration);

}  // namespace sublab

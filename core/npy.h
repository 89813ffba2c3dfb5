// NumPy's .npy format, version 1.0, C order, little endian.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/files.h"

namespace sublab {

/// An array as it stands in a file: bytes and what they mean.
struct NpyArray {
  std::string dtype;  ///< "<f8", "<f4", "<i8", "<i4", "<u8", "<u2", "|u1", "|b1"
  std::vector<int64_t> shape;
  std::string bytes;

  int64_t n_elements() const;
  /// The elements as doubles (integers beyond 2^53 lose digits).
  std::vector<double> as_doubles() const;
};

/// Writes `shape` elements of double, float, int64_t, int32_t, uint16_t or uint8_t durably.
template <class T>
void write_npy(const fs::path& path, const std::vector<T>& values, std::vector<int64_t> shape);

void write_npy(const fs::path& path, const NpyArray& array);

/// Throws UserError when the file is damaged or its dtype is none of the above.
NpyArray read_npy(const fs::path& path);

}  // namespace sublab

// NumPy's .npy format, version 1.0, C order, little endian.
#pragma once

#include <cstdint>
#include <stdexcept>
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

/// `shape` elements of double, float, int64_t, int32_t, uint64_t, uint16_t or uint8_t.
template <class T>
NpyArray npy_array(const std::vector<T>& values, std::vector<int64_t> shape);

/// The file's content: header and elements.
std::string npy_bytes(const NpyArray& array);
/// The array of such content. Throws UserError, naming `where`, when it is damaged or its dtype is
/// none of the above.
NpyArray parse_npy(const std::string& content, const std::string& where);

/// Writes durably.
void write_npy(const fs::path& path, const NpyArray& array);
template <class T>
void write_npy(const fs::path& path, const std::vector<T>& values, std::vector<int64_t> shape) {
  write_npy(path, npy_array(values, std::move(shape)));
}

/// Throws UserError when the file is damaged.
NpyArray read_npy(const fs::path& path);

}  // namespace sublab

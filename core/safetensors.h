// The safetensors format: u64 header size (little endian), a JSON header, then raw bytes.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/files.h"

namespace sublab {

struct TensorBytes {
  std::string dtype;  ///< "F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"
  std::vector<int64_t> shape;
  std::span<const uint8_t> bytes;
};

/// A file, mapped and checked: header size, types, shapes, ranges, overlaps, holes. A file is
/// hostile until it passed; every fault is a UserError with the path.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const fs::path& path);
  const std::map<std::string, TensorBytes>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  std::shared_ptr<MappedFile> file_;
  std::map<std::string, TensorBytes> tensors_;
  std::map<std::string, std::string> metadata_;
};

/// The files of a checkpoint folder: model.safetensors, or the shards that
/// model.safetensors.index.json names. Throws UserError when there is neither.
std::vector<fs::path> safetensors_files(const fs::path& folder);

/// SHA-256 of those files' bytes, one after another.
std::string weights_hash(const fs::path& folder);

/// Writes tensors in order of name, durably.
void write_safetensors(const fs::path& path, const std::map<std::string, TensorBytes>& tensors,
                       const std::map<std::string, std::string>& metadata);

/// Bytes of one element, or 0 for a type that is unknown.
int64_t safetensors_element_bytes(const std::string& dtype);

}  // namespace sublab

// The safetensors layout; files are hostile until every range is checked.
#include "core/safetensors.h"

#include <algorithm>
#include <cstring>
#include <ostream>
#include <set>

#include "core/fields.h"
#include "core/hash.h"

namespace sublab {
namespace {

constexpr uint64_t kLargestHeader = 100'000'000;

/// bytes of a tensor, or -1 when its shape is negative or its size overflows.
int64_t tensor_bytes(const std::vector<int64_t>& shape, int64_t element_bytes) {
  int64_t n = element_bytes;
  for (const int64_t size : shape)
    if (size < 0 || __builtin_mul_overflow(n, size, &n)) return -1;
  return n;
}

struct RawTensor {
  std::string dtype;
  std::vector<int64_t> shape;
  std::vector<int64_t> data_offsets;

  template <class F>
  void fields(F& f) {
    f("dtype", dtype, "element type");
    f("shape", shape, "sizes", within(0, 9e15));
    f("data_offsets", data_offsets, "begin and end in the data", within(0, 9e15));
  }
};

}  // namespace

int64_t safetensors_element_bytes(const std::string& dtype) {
  static const std::map<std::string, int64_t> bytes = {
      {"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8},
      {"I32", 4}, {"I16", 2}, {"I8", 1},  {"U8", 1},   {"BOOL", 1}};
  const auto it = bytes.find(dtype);
  return it == bytes.end() ? 0 : it->second;
}

SafetensorsFile::SafetensorsFile(const fs::path& path) : file_(std::make_shared<MappedFile>(path)) {
  const auto bytes = file_->bytes();
  const std::string where = path.string();
  const auto damaged = [&](const std::string& why) {
    throw UserError(where, "is not a sound safetensors file: " + why);
  };
  uint64_t header_size = 0;
  if (bytes.size() < 8) damaged("it is shorter than its header");
  std::memcpy(&header_size, bytes.data(), 8);
  if (header_size > kLargestHeader || header_size > bytes.size() - 8)
    damaged("its header is cut off or too large");
  const std::string text(reinterpret_cast<const char*>(bytes.data()) + 8, header_size);
  const json header = parse_json(text, where + " header");
  if (!header.is_object()) damaged("its header is no object");
  const auto data = bytes.subspan(8 + header_size);
  std::vector<std::pair<int64_t, int64_t>> ranges;
  for (const auto& [name, value] : header.items()) {
    if (name == "__metadata__") {
      if (!value.is_object()) damaged("__metadata__ is no object");
      for (const auto& [key, item] : value.items()) {
        if (!item.is_string()) damaged("__metadata__ holds something else than strings");
        metadata_[key] = item.get<std::string>();
      }
      continue;
    }
    RawTensor raw;
    read_fields(value, where + " " + name, raw);
    const int64_t element = safetensors_element_bytes(raw.dtype);
    if (element == 0) damaged(name + " has the unknown dtype '" + raw.dtype + "'");
    if (raw.data_offsets.size() != 2) damaged(name + " has no pair of offsets");
    const int64_t begin = raw.data_offsets[0], end = raw.data_offsets[1];
    const int64_t size = tensor_bytes(raw.shape, element);
    if (begin > end || end > static_cast<int64_t>(data.size()))
      damaged(name + " lies outside the file");
    if (size < 0 || size != end - begin) damaged(name + " has a shape that does not fit its bytes");
    if (size > 0) ranges.emplace_back(begin, end);
    tensors_[name] = {raw.dtype, raw.shape, data.subspan(begin, size)};
  }
  std::sort(ranges.begin(), ranges.end());
  int64_t covered = 0;
  for (const auto& [begin, end] : ranges) {
    if (begin < covered) damaged("tensors overlap");
    if (begin > covered) damaged("there is a hole between tensors");
    covered = end;
  }
  if (covered != static_cast<int64_t>(data.size()))
    damaged("bytes are left over behind the tensors");
}

std::vector<fs::path> safetensors_files(const fs::path& folder) {
  if (fs::exists(folder / "model.safetensors")) return {folder / "model.safetensors"};
  const fs::path index = folder / "model.safetensors.index.json";
  if (!fs::exists(index)) throw UserError(folder.string(), "holds no model.safetensors");
  const json parsed = parse_json(read_file(index), index.string());
  if (!parsed.is_object() || !parsed.contains("weight_map") || !parsed["weight_map"].is_object())
    throw UserError(index.string(), "has no weight_map");
  std::set<std::string> names;
  for (const auto& [tensor, file] : parsed["weight_map"].items()) {
    const std::string name = file.is_string() ? file.get<std::string>() : "";
    if (name.empty() || name.find('/') != std::string::npos || name.starts_with('.'))
      throw UserError(index.string(), "names a file outside its folder for " + tensor);
    names.insert(name);
  }
  std::vector<fs::path> out;
  for (const std::string& name : names) out.push_back(folder / name);
  return out;
}

std::string weights_hash(const fs::path& folder) {
  Sha256 hash;
  for (const fs::path& path : safetensors_files(folder)) {
    const MappedFile file(path);
    hash.update({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()});
  }
  return hash.hex();
}

void write_safetensors(const fs::path& path, const std::map<std::string, TensorBytes>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header;
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t at = 0;
  for (const auto& [name, tensor] : tensors) {
    header[name] = {{"dtype", tensor.dtype},
                    {"shape", tensor.shape},
                    {"data_offsets", {at, at + tensor.bytes.size()}}};
    at += tensor.bytes.size();
  }
  std::string text = header.is_null() ? "{}" : header.dump();
  while (text.size() % 8 != 0) text.push_back(' ');
  write_file_durably(path, [&](std::ostream& out) {
    const uint64_t size = text.size();
    out.write(reinterpret_cast<const char*>(&size), 8);
    out << text;
    for (const auto& [name, tensor] : tensors)
      out.write(reinterpret_cast<const char*>(tensor.bytes.data()),
                static_cast<std::streamsize>(tensor.bytes.size()));
  });
}

}  // namespace sublab

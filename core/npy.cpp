// Header and elements of a .npy file, both ways.
#include "core/npy.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <regex>

#include "core/error.h"

namespace sublab {
namespace {

constexpr std::string_view kMagic{"\x93NUMPY\x01\x00", 8};

int64_t element_bytes(const std::string& dtype, const std::string& where) {
  static const std::map<std::string, int64_t> sizes = {{"<f8", 8}, {"<f4", 4}, {"<i8", 8},
                                                       {"<i4", 4}, {"<u8", 8}, {"<u2", 2},
                                                       {"|u1", 1}, {"|b1", 1}};
  const auto it = sizes.find(dtype);
  if (it == sizes.end()) throw UserError(where, "npy dtype '" + dtype + "' is not supported");
  return it->second;
}

template <class T>
constexpr const char* dtype_of() {
  if constexpr (std::is_same_v<T, double>) return "<f8";
  if constexpr (std::is_same_v<T, float>) return "<f4";
  if constexpr (std::is_same_v<T, int64_t>) return "<i8";
  if constexpr (std::is_same_v<T, int32_t>) return "<i4";
  if constexpr (std::is_same_v<T, uint64_t>) return "<u8";
  if constexpr (std::is_same_v<T, uint16_t>) return "<u2";
  if constexpr (std::is_same_v<T, uint8_t>) return "|u1";
}

template <class T>
void append_doubles(const std::string& bytes, std::vector<double>& out) {
  for (size_t i = 0; i + sizeof(T) <= bytes.size(); i += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + i, sizeof(T));
    out.push_back(static_cast<double>(value));
  }
}

/// Nothing where a size, or their product, is more than a file can hold.
std::optional<std::vector<int64_t>> parse_shape(const std::string& text) {
  std::vector<int64_t> shape;
  static const std::regex number("[0-9]+");
  double product = 1;
  for (std::sregex_iterator it(text.begin(), text.end(), number), end; it != end; ++it) {
    const double size = std::stod(it->str());
    product *= std::max(size, 1.0);
    if (product > 1e15) return std::nullopt;
    shape.push_back(static_cast<int64_t>(size));
  }
  return shape;
}

}  // namespace

int64_t NpyArray::n_elements() const {
  int64_t n = 1;
  for (const int64_t size : shape) n *= size;
  return n;
}

std::vector<double> NpyArray::as_doubles() const {
  std::vector<double> out;
  if (dtype == "<f8") append_doubles<double>(bytes, out);
  if (dtype == "<f4") append_doubles<float>(bytes, out);
  if (dtype == "<i8") append_doubles<int64_t>(bytes, out);
  if (dtype == "<i4") append_doubles<int32_t>(bytes, out);
  if (dtype == "<u8") append_doubles<uint64_t>(bytes, out);
  if (dtype == "<u2") append_doubles<uint16_t>(bytes, out);
  if (dtype == "|u1" || dtype == "|b1") append_doubles<uint8_t>(bytes, out);
  return out;
}

template <class T>
NpyArray npy_array(const std::vector<T>& values, std::vector<int64_t> shape) {
  NpyArray array{dtype_of<T>(), std::move(shape), {}};
  if (array.n_elements() != static_cast<int64_t>(values.size()))
    throw std::logic_error("npy_array: shape and values disagree");
  array.bytes.assign(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  return array;
}

template NpyArray npy_array(const std::vector<double>&, std::vector<int64_t>);
template NpyArray npy_array(const std::vector<float>&, std::vector<int64_t>);
template NpyArray npy_array(const std::vector<int64_t>&, std::vector<int64_t>);
template NpyArray npy_array(const std::vector<int32_t>&, std::vector<int64_t>);
template NpyArray npy_array(const std::vector<uint64_t>&, std::vector<int64_t>);
template NpyArray npy_array(const std::vector<uint16_t>&, std::vector<int64_t>);
template NpyArray npy_array(const std::vector<uint8_t>&, std::vector<int64_t>);

std::string npy_bytes(const NpyArray& array) {
  std::string header = "{'descr': '" + array.dtype + "', 'fortran_order': False, 'shape': (";
  for (const int64_t size : array.shape) header += std::to_string(size) + ",";
  header += "), }";
  while ((kMagic.size() + 2 + header.size() + 1) % 64 != 0) header.push_back(' ');
  header.push_back('\n');
  std::string out(kMagic);
  out.push_back(static_cast<char>(header.size() & 255));
  out.push_back(static_cast<char>(header.size() >> 8));
  return out + header + array.bytes;
}

void write_npy(const fs::path& path, const NpyArray& array) {
  write_file_durably(path, npy_bytes(array));
}

NpyArray parse_npy(const std::string& file, const std::string& where) {
  const auto damaged = [&](const char* why) {
    throw UserError(where, std::string("damaged npy file: ") + why);
  };
  if (file.size() < 10 || std::string_view(file).substr(0, 8) != kMagic)
    damaged("no npy 1.0 header");
  const size_t header_size = static_cast<uint8_t>(file[8]) | static_cast<uint8_t>(file[9]) << 8;
  constexpr size_t kLongestHeader = 1024;  // regular expressions go down by recursion
  if (header_size > kLongestHeader) damaged("header too long");
  if (file.size() < 10 + header_size) damaged("header cut off");
  const std::string header = file.substr(10, header_size);
  static const std::regex form(
      R"re(\{\s*'descr':\s*'([^']+)',\s*'fortran_order':\s*(False|True),\s*'shape':\s*\(([0-9, ]*)\),?\s*\}\s*)re");
  std::smatch match;
  if (!std::regex_match(header, match, form)) damaged("header not understood");
  if (match[2] == "True") damaged("Fortran order is not supported");
  const auto shape = parse_shape(match[3]);
  if (!shape) damaged("its size does not fit its shape");
  NpyArray array{match[1], *shape, file.substr(10 + header_size)};
  if (array.n_elements() * element_bytes(array.dtype, where) !=
      static_cast<int64_t>(array.bytes.size()))
    damaged("its size does not fit its shape");
  return array;
}

NpyArray read_npy(const fs::path& path) { return parse_npy(read_file(path), path.string()); }

}  // namespace sublab

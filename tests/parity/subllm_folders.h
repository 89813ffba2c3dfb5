// Folders in the layout of SUBLLM's published code, whole and spoilt.
#pragma once

#include <cstring>
#include <functional>

#include "core/safetensors.h"
#include "tests/experiments/shell.h"

namespace sublab {

inline const fs::path kData = fs::path(SUBLAB_SOURCE_ROOT) / "tests/parity/subllm_data";

using Tensors = std::map<std::string, TensorBytes>;

inline bool same_tensors(const fs::path& a, const fs::path& b) {
  const SafetensorsFile first(a / "model.safetensors"), second(b / "model.safetensors");
  if (first.tensors().size() != second.tensors().size()) return false;
  for (const auto& [name, tensor] : first.tensors()) {
    const auto it = second.tensors().find(name);
    if (it == second.tensors().end() || it->second.shape != tensor.shape ||
        !std::ranges::equal(it->second.bytes, tensor.bytes))
      return false;
  }
  return true;
}

/// A copy of one of the folders, to be spoilt.
struct Copy : TemporaryFolder {
  explicit Copy(const std::string& name) {
    fs::copy(kData / name, path, fs::copy_options::recursive);
  }
  void edit_config(const json& edits) const {
    json config = parse_json(read_file(path / "config.json"), "config");
    config.merge_patch(edits);
    write_file_durably(path / "config.json", config.dump());
  }
  void edit_tensors(const std::function<void(Tensors&)>& edit) const {
    const fs::path file = path / "model.safetensors";
    {
      const SafetensorsFile read(file);
      Tensors tensors = read.tensors();
      edit(tensors);
      write_safetensors(path / "edited", tensors, {});
    }
    fs::rename(path / "edited", file);
  }
  /// Sets the first number of a tensor.
  void set(const std::string& name, float value) const {
    std::vector<uint8_t> bytes;
    edit_tensors([&](Tensors& tensors) {
      TensorBytes& tensor = tensors.at(name);
      bytes.assign(tensor.bytes.begin(), tensor.bytes.end());
      std::memcpy(bytes.data(), &value, sizeof value);
      tensor.bytes = bytes;
    });
  }
};

}  // namespace sublab

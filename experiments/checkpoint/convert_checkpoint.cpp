// The part of experiments/checkpoint/checkpoint.h that turns one form into another.
#include <unistd.h>

#include <algorithm>

#include "core/error.h"
#include "core/safetensors.h"
#include "experiments/checkpoint/checkpoint.h"
#include "models/interchange/subllm_layout.h"
#include "models/interchange/tensors.h"

namespace sublab {
namespace {

constexpr const char* kIndex = "model.safetensors.index.json";

/// A file of any size, from a memory map.
void copy_durably(const fs::path& from, const fs::path& to) {
  const MappedFile file(from);
  write_file_durably(to, [&](std::ostream& out) {
    out.write(reinterpret_cast<const char*>(file.bytes().data()),
              static_cast<std::streamsize>(file.bytes().size()));
  });
}

bool holds_weights(const fs::path& path) {
  static const std::vector<std::string> kinds = {".safetensors", ".bin",  ".pt", ".pth",  ".ckpt",
                                                 ".msgpack",     ".gguf", ".h5", ".onnx", ".npz"};
  return std::find(kinds.begin(), kinds.end(), path.extension().string()) != kinds.end();
}

/// What this program writes beside weights that it trained; it is of no use elsewhere.
bool is_of_training(const std::string& name) {
  return name == "training.json" || name == "curves.npz";
}

/// Copies what is neither configuration nor weights.
void copy_other_files(const fs::path& from, const fs::path& to,
                      const std::function<void(const std::string&)>& left_out) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(from)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  for (const fs::path& path : paths) {
    const std::string name = path.filename().string();
    if (name == "config.json" || name == kIndex || name == "tokenizer.model" ||
        name == "model.safetensors" || name.starts_with('.') || is_of_training(name))
      continue;
    if (fs::is_directory(path))
      left_out(name + "/");
    else if (!holds_weights(path))
      copy_durably(path, to / name);
    else if (!fs::exists(to / name))
      left_out(name);
  }
}

/// The same layout: the files as they are.
void copy_checkpoint(const Checkpoint& checkpoint, json config, const fs::path& from,
                     const fs::path& to, const std::function<void(const std::string&)>& left_out) {
  const fs::path temporary = to.string() + ".tmp" + std::to_string(::getpid());
  make_writable_folder(temporary);
  try {
    config["sublab"] = write_fields(checkpoint.info);
    write_file_durably(temporary / "config.json", config.dump(2) + "\n");
    const auto weights = safetensors_files(from);
    for (const fs::path& file : weights) copy_durably(file, temporary / file.filename());
    if (weights.front().filename() != "model.safetensors")
      copy_durably(from / kIndex, temporary / kIndex);
    if (fs::exists(from / "tokenizer.model"))
      copy_durably(from / "tokenizer.model", temporary / "tokenizer.model");
    copy_other_files(from, temporary, left_out);
    fs::rename(temporary, to);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    throw;
  }
}

}  // namespace

void convert_checkpoint(const Checkpoint& checkpoint, const fs::path& from, const fs::path& to,
                        Layout layout, const std::function<void(const std::string&)>& left_out) {
  const fs::path path = from / "config.json";
  const json config = parse_json(read_file(path), path.string());
  if (layout == Layout::own && !is_subllm_layout(config))
    return copy_checkpoint(checkpoint, config, from, to, left_out);
  CheckpointInfo info = checkpoint.info;
  const std::string dtype = stored_dtype(from);
  if (dtype == "F16" || dtype == "BF16") info.weights_dtype = dtype;
  save_checkpoint(to, *checkpoint.model, info, checkpoint.tokenizer.get(), layout,
                  [&](const fs::path& folder) { copy_other_files(from, folder, left_out); });
}

}  // namespace sublab

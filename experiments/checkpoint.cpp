#include "experiments/checkpoint.h"

#include <unistd.h>

#include "core/error.h"
#include "models/interchange/hf_config.h"
#include "models/interchange/subllm_layout.h"

namespace sublab {
namespace {

/// Of a folder in the SUBLLM layout its own keys are what counts; what this program left beside
/// them says the rest (how to train on, which tokenizer).
CheckpointInfo info_of(const SubllmLayout& layout, const json& config, const std::string& where) {
  CheckpointInfo info;
  if (config.contains("sublab")) read_fields(config["sublab"], where + ": /sublab", info);
  if (info.model.value("architecture", json()) != layout.model.at("architecture"))
    info.model = json::object();
  info.model.update(layout.model);
  info.vocab_size = layout.vocab_size;
  info.context_len = layout.context_len;
  info.boundary_id = layout.bos_id;
  info.eos_id = layout.eos_id;
  info.padding_id = layout.padding_id;
  return info;
}

SubllmLayout layout_of(const CheckpointInfo& info) {
  return {info.model,
          info.vocab_size,
          info.context_len,
          info.boundary_id,
          info.eos_id < 0 ? info.boundary_id : info.eos_id,
          info.padding_id,
          true};
}

CheckpointInfo read_info(const json& config, const std::string& where) {
  if (is_subllm_layout(config)) return info_of(from_subllm_layout(config, where), config, where);
  CheckpointInfo info;
  if (config.is_object() && config.contains("sublab")) {
    read_fields(config["sublab"], where + ": /sublab", info);
    if (info.model.value("architecture", "") != "llama") return info;
  }
  // Of a llama, transformers' own keys are what counts: another program may have changed them.
  info.model = from_hf_config(config, where);
  const auto whole = [&](const char* key, int64_t otherwise) {
    const json value = config.value(key, json(otherwise));
    return value.is_number_integer() ? value.get<int64_t>() : otherwise;
  };
  info.vocab_size = whole("vocab_size", 0);
  if (info.vocab_size < 1 || info.vocab_size > 100'000'000)
    throw UserError(where, "has no sound vocab_size");
  info.context_len = whole("max_position_embeddings", 2048);
  info.boundary_id = whole("bos_token_id", 1);
  return info;
}

json config_of(const CheckpointInfo& info, Layout layout, const std::string& where) {
  const std::string architecture = info.model.at("architecture");
  json config = {{"model_type", architecture}, {"vocab_size", info.vocab_size}};
  if (layout == Layout::subllm)
    config = to_subllm_layout(layout_of(info), where);
  else if (architecture == "llama")
    config = to_hf_config(info.model, info.vocab_size, info.context_len, info.boundary_id);
  config["sublab"] = write_fields(info);
  return config;
}

/// Weights that Python pickled are named, not taken for missing.
void refuse_pickles(const fs::path& folder) {
  if (fs::exists(folder / "model.safetensors") ||
      fs::exists(folder / "model.safetensors.index.json"))
    return;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string kind = entry.path().extension().string();
    if (kind == ".bin" || kind == ".pt" || kind == ".pth")
      throw UserError(entry.path().string(),
                      "is pickled by Python; write it as model.safetensors (docs/checkpoints.md)");
  }
}

void read_weights(const fs::path& folder, const json& config, const CheckpointInfo& info,
                  LanguageModel& model) {
  refuse_pickles(folder);
  const std::string where = (folder / "config.json").string();
  if (!is_subllm_layout(config)) return load_weights(folder, model);
  SubllmLayout layout = from_subllm_layout(config, where);
  layout.model = info.model;
  read_tensors(folder, subllm_layout_tensors(model, layout, where));
}

/// The tokenizer of the folder, or null. Its hash goes into `info` where nothing said it.
std::unique_ptr<Tokenizer> read_tokenizer(const fs::path& folder, CheckpointInfo& info) {
  if (info.tokenizer_hash.empty() && info.tokenizer == "bytes")
    info.tokenizer_hash = bytes_tokenizer()->content_hash();
  const fs::path path = folder / "tokenizer.model";
  std::unique_ptr<Tokenizer> out;
  if (fs::exists(path))
    out = sentencepiece_tokenizer(read_file(path), path.string());
  else if (info.tokenizer == "bytes")
    out = bytes_tokenizer();
  if (!out) return out;
  if (!info.tokenizer_hash.empty() && info.tokenizer_hash != out->content_hash())
    throw UserError(path.string(), "is another tokenizer (hash " + out->content_hash() +
                                       ") than the model was trained with (" + info.tokenizer +
                                       ", hash " + info.tokenizer_hash +
                                       "); put that one back, or take this one away and name it "
                                       "with --tokenizer PATH.model --other-tokenizer");
  info.tokenizer_hash = out->content_hash();
  return out;
}

}  // namespace

void save_checkpoint(const fs::path& folder, const LanguageModel& model, const CheckpointInfo& info,
                     const Tokenizer* tokenizer, Layout layout) {
  CheckpointInfo written = info;
  if (tokenizer) written.tokenizer_hash = tokenizer->content_hash();
  const json config = config_of(written, layout, folder.string());
  const auto tensors = layout == Layout::subllm
                           ? subllm_layout_tensors(model, layout_of(info), folder.string())
                           : own_tensors(model);
  const fs::path temporary = folder.string() + ".tmp" + std::to_string(::getpid());
  make_writable_folder(temporary);
  try {
    write_file_durably(temporary / "config.json", config.dump(2) + "\n");
    write_tensors(temporary / "model.safetensors", tensors);
    if (tokenizer && !tokenizer->model_bytes().empty())
      write_file_durably(temporary / "tokenizer.model", tokenizer->model_bytes());
    fs::remove_all(folder);
    fs::rename(temporary, folder);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    throw;
  }
}

Checkpoint load_checkpoint(const fs::path& folder, const Catalog& catalog, const json& changes) {
  if (!fs::is_directory(folder)) throw UserError(folder.string(), "is not a checkpoint folder");
  const fs::path path = folder / "config.json";
  if (!fs::exists(path)) throw UserError(folder.string(), "holds no config.json");
  Checkpoint out;
  const json config = parse_json(read_file(path), path.string());
  out.info = read_info(config, path.string());
  out.info.model.update(changes);
  const std::string name = out.info.model.value("architecture", "");
  const ArchitectureEntry& entry = catalog.architecture(name, path.string());
  out.info.model = entry.resolve(
      out.info.model, path.string() + (is_subllm_layout(config) ? ": " : ": /sublab/model"),
      catalog.parts);
  out.model = entry.make(out.info.model, out.info.vocab_size, 0, catalog.parts);
  read_weights(folder, config, out.info, *out.model);
  out.tokenizer = read_tokenizer(folder, out.info);
  if (out.tokenizer && out.tokenizer->vocab_size() > out.info.vocab_size)
    throw UserError(folder.string(), "its tokenizer has " +
                                         std::to_string(out.tokenizer->vocab_size()) +
                                         " ids, its model " + std::to_string(out.info.vocab_size));
  return out;
}

}  // namespace sublab

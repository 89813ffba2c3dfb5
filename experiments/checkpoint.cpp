#include "experiments/checkpoint.h"

#include <unistd.h>

#include "core/error.h"
#include "models/interchange/hf_config.h"
#include "models/interchange/tensors.h"

namespace sublab {
namespace {

CheckpointInfo read_info(const json& config, const std::string& where) {
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

}  // namespace

void save_checkpoint(const fs::path& folder, const LanguageModel& model, const CheckpointInfo& info,
                     const Tokenizer* tokenizer) {
  const std::string architecture = info.model.at("architecture");
  json config = {{"model_type", architecture}, {"vocab_size", info.vocab_size}};
  if (architecture == "llama")
    config = to_hf_config(info.model, info.vocab_size, info.context_len, info.boundary_id);
  config["sublab"] = write_fields(info);
  const fs::path temporary = folder.string() + ".tmp" + std::to_string(::getpid());
  make_writable_folder(temporary);
  try {
    write_file_durably(temporary / "config.json", config.dump(2) + "\n");
    save_weights(temporary / "model.safetensors", model);
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
  out.info = read_info(parse_json(read_file(path), path.string()), path.string());
  out.info.model.update(changes);
  const std::string name = out.info.model.value("architecture", "");
  const ArchitectureEntry& entry = catalog.architecture(name, path.string());
  out.info.model = entry.resolve(out.info.model, path.string() + ": /sublab/model", catalog.parts);
  out.model = entry.make(out.info.model, out.info.vocab_size, 0, catalog.parts);
  load_weights(folder, *out.model);
  if (fs::exists(folder / "tokenizer.model"))
    out.tokenizer = sentencepiece_tokenizer(read_file(folder / "tokenizer.model"),
                                            (folder / "tokenizer.model").string());
  else if (out.info.tokenizer == "bytes")
    out.tokenizer = bytes_tokenizer();
  if (out.tokenizer && out.tokenizer->vocab_size() > out.info.vocab_size)
    throw UserError(folder.string(), "its tokenizer has " +
                                         std::to_string(out.tokenizer->vocab_size()) +
                                         " ids, its model " + std::to_string(out.info.vocab_size));
  return out;
}

}  // namespace sublab

// A checkpoint folder: config.json, weights, tokenizer; ours or one of transformers.
#include "experiments/checkpoint/checkpoint.h"

#include <unistd.h>

#include <algorithm>

#include "core/error.h"
#include "core/kind.h"
#include "models/interchange/hf_config.h"
#include "models/interchange/subllm_layout.h"

namespace sublab {
namespace {

/// The shortest of the lengths of a row that config.json names: whoever cut one of them meant it.
int64_t shortest_context(int64_t context_len, const json& config, const std::string& where) {
  for (const char* key : {"max_position_embeddings", "tokens_per_sample"}) {
    int64_t given = context_len;
    if (config.contains(key) && !config[key].is_null())
      fields_detail::read_value(config[key], where + ": /" + key, given, within(1, 1e9));
    context_len = std::min(context_len, given);
  }
  return context_len;
}

/// What this program left in config.json, where it did.
CheckpointInfo info_beside(const json& config, const std::string& where) {
  CheckpointInfo info;
  if (config.contains("sublab")) read_fields(config["sublab"], where + ": /sublab", info);
  const std::string at = where + ": /sublab/model";
  if (!info.model.is_object()) fields_detail::throw_type(at, "an object", info.model);
  if (const json name = info.model.value("architecture", json("")); !name.is_string())
    fields_detail::throw_type(at + "/architecture", "a string", name);
  return info;
}

/// Of a folder in the SUBLLM layout its own keys are what counts; what this program left beside
/// them says the rest (how to train on, which tokenizer).
CheckpointInfo info_of(const SubllmLayout& layout, const json& config, const std::string& where) {
  CheckpointInfo info = info_beside(config, where);
  if (info.model.value("architecture", json()) != layout.model.at("architecture"))
    info.model = json::object();
  for (const auto& [key, value] : layout.model.items()) {
    json& own = info.model[key];
    const bool same_part =
        value.is_object() && own.is_object() && chosen_type(own) == chosen_type(value);
    if (same_part)
      own.update(value);  // what only training knows of it stays
    else
      own = value;
  }
  info.vocab_size = layout.vocab_size;
  info.context_len =
      info.context_len > 0 ? std::min(info.context_len, layout.context_len) : layout.context_len;
  info.boundary_id = layout.bos_id;
  info.eos_id = layout.eos_id;
  info.padding_id = layout.padding_id;
  info.other_keys = config;
  for (const char* key : {"sublab", "downsampling_factor"}) info.other_keys.erase(key);
  return info;
}

/// Whether eos_id is the sign for "the boundary".
bool ends_at_boundary(const CheckpointInfo& info) { return info.eos_id == -1; }

SubllmLayout layout_of(const CheckpointInfo& info) {
  return {info.model,
          info.vocab_size,
          info.context_len,
          info.boundary_id,
          ends_at_boundary(info) ? json(info.boundary_id) : info.eos_id,
          info.padding_id,
          true};
}

/// Of a llama, transformers' own keys are what counts: another program may have changed them. What
/// they cannot say (a cache policy) is what this program left beside them.
void read_hf(const json& config, const std::string& where, CheckpointInfo& info) {
  const HfConfig hf = read_hf_config(config, where, info.model);
  json model = hf.model;
  for (const auto& [key, value] : info.model.items())
    if (!model.contains(key) && key != "rope") model[key] = value;
  info.model = model;
  info.vocab_size = hf.vocab_size;
  info.context_len =
      info.context_len > 0 ? std::min(info.context_len, hf.context_len) : hf.context_len;
  if (hf.bos_id >= 0) info.boundary_id = hf.bos_id;
  info.eos_id = hf.eos_id == -1 ? json() : hf.eos_id;
}

CheckpointInfo read_info(const json& config, const std::string& where) {
  if (!config.is_object()) fields_detail::throw_type(where, "an object", config);
  CheckpointInfo info;
  if (is_subllm_layout(config)) {
    info = info_of(from_subllm_layout(config, where), config, where);
  } else {
    info = info_beside(config, where);
    if (!config.contains("sublab") || info.model.value("architecture", "") == "llama")
      read_hf(config, where, info);
  }
  eos_ids(info.eos_id, where + ": /sublab/eos_id");
  info.context_len = shortest_context(info.context_len, config, where);
  return info;
}

/// The ids that end a text; transformers reads those of generation_config.json.
std::vector<int64_t> stop_ids_of(const CheckpointInfo& info, const fs::path& folder) {
  std::vector<int64_t> ids{info.boundary_id};
  if (!ends_at_boundary(info)) ids = eos_ids(info.eos_id, folder.string());
  const fs::path path = folder / "generation_config.json";
  if (!fs::exists(path)) return ids;
  const json generation = parse_json(read_file(path), path.string());
  if (!generation.is_object()) fields_detail::throw_type(path.string(), "an object", generation);
  for (const int64_t id :
       eos_ids(generation.value("eos_token_id", json()), path.string() + ": /eos_token_id"))
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  return ids;
}

json config_of(const CheckpointInfo& info, Layout layout, const std::string& where) {
  const std::string architecture = info.model.at("architecture");
  json config = {{"model_type", architecture}, {"vocab_size", info.vocab_size}};
  if (layout == Layout::subllm) {
    config = to_subllm_layout(layout_of(info), where);
    for (const auto& [key, value] : info.other_keys.items())
      if (!config.contains(key)) config[key] = value;
  } else if (architecture == "llama") {
    config = to_hf_config(
        {info.model, info.vocab_size, info.context_len, info.boundary_id, layout_of(info).eos_id});
    if (info.weights_dtype == "F16" || info.weights_dtype == "BF16")
      config["dtype"] = config["torch_dtype"] =
          info.weights_dtype == "F16" ? "float16" : "bfloat16";
  }
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

json read_config(const fs::path& folder) {
  const fs::path path = folder / "config.json";
  if (!fs::exists(path)) throw UserError(folder.string(), "holds no config.json");
  return parse_json(read_file(path), path.string());
}

void read_weights(const fs::path& folder, const json& config, const CheckpointInfo& info,
                  LanguageModel& model) {
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
                     const Tokenizer* tokenizer, Layout layout,
                     const std::function<void(const fs::path&)>& add) {
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
    write_tensors(temporary / "model.safetensors", tensors, info.weights_dtype);
    if (tokenizer && !tokenizer->model_bytes().empty())
      write_file_durably(temporary / "tokenizer.model", tokenizer->model_bytes());
    if (add) add(temporary);
    fs::remove_all(folder);
    fs::rename(temporary, folder);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    throw;
  }
}

CheckpointHeader read_checkpoint_header(const fs::path& folder, const Catalog& catalog,
                                        const json& changes) {
  if (!fs::is_directory(folder)) throw UserError(folder.string(), "is not a checkpoint folder");
  const fs::path path = folder / "config.json";
  const json config = read_config(folder);
  CheckpointHeader out;
  out.info = read_info(config, path.string());
  refuse_pickles(folder);
  if (out.info.model.value("tied_head", json(false)) == true && !is_subllm_layout(config) &&
      stores_another_head(folder))
    out.info.model["tied_head"] = false;
  for (const auto& [key, value] : changes.items()) set_by_dotted_key(out.info.model, key, value);
  const std::string name = out.info.model.value("architecture", "");
  const ArchitectureEntry& entry = catalog.architecture(name, path.string());
  out.info.model = entry.resolve(
      out.info.model, path.string() + (is_subllm_layout(config) ? ": " : ": /sublab/model"),
      catalog.parts);
  out.stop_ids = stop_ids_of(out.info, folder);
  out.tokenizer = read_tokenizer(folder, out.info);
  if (out.tokenizer && out.tokenizer->vocab_size() > out.info.vocab_size)
    throw UserError(folder.string(), "its tokenizer has " +
                                         std::to_string(out.tokenizer->vocab_size()) +
                                         " ids, its model " + std::to_string(out.info.vocab_size));
  return out;
}

Checkpoint load_checkpoint(const fs::path& folder, const Catalog& catalog, const json& changes,
                           at::Device device) {
  Checkpoint out{read_checkpoint_header(folder, catalog, changes), nullptr};
  const ArchitectureEntry& entry =
      catalog.architecture(out.info.model.at("architecture"), folder.string());
  out.model = entry.make(out.info.model, out.info.vocab_size, {0, device}, catalog.parts);
  read_weights(folder, read_config(folder), out.info, *out.model);
  return out;
}

}  // namespace sublab

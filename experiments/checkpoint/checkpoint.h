// A checkpoint: a folder with config.json, model.safetensors and, where text was trained on, the
// tokenizer. Its forms: docs/checkpoints.md.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/files.h"
#include "data/tokenizer.h"
#include "experiments/catalog.h"

namespace sublab {

/// What a checkpoint says beside its weights; the object "sublab" in config.json.
struct CheckpointInfo {
  json model = json::object();  ///< resolved model config
  int64_t vocab_size = 0;
  int64_t context_len = 0;
  int64_t boundary_id = 0;
  std::string tokenizer;  ///< specification it was trained with; "" when it came from elsewhere
  int64_t numerics_version = 1;
  std::string trained_on = "text";
  json eos_id = -1;  ///< an id, a list of ids, or null for none; -1 = boundary_id
  int64_t padding_id = -1;
  std::string tokenizer_hash = {};   ///< Tokenizer::content_hash(); "" when nothing says it
  std::string weights_dtype{};       ///< of the files that it came from; "" = F32
  json other_keys = json::object();  ///< of a SUBLLM layout's config.json; nothing here reads them
  /// Of all training behind the weights, theirs included that it started from; absent = not known.
  std::optional<double> trained_tokens = {}, trained_flops = {};

  template <class F>
  void fields(F& f) {
    f("model", model, "resolved model config");
    f("vocab_size", vocab_size, "number of ids", within(1, 1e9));
    f("context_len", context_len, "tokens per row in training", within(1, 1e9));
    f("boundary_id", boundary_id, "id that stands before every document", within(0, 1e9));
    f("tokenizer", tokenizer, "specification of the tokenizer");
    f("numerics_version", numerics_version, "of the architecture", within(1, 1e9));
    f("trained_on", trained_on, "text, or a task");
    f("eos_id", eos_id, "id or list of ids that end a document, null = none; -1 = boundary_id");
    f("padding_id", padding_id, "id that the SUBLLM layout takes for padding; -1 = none",
      within(-1, 1e9));
    f("tokenizer_hash", tokenizer_hash, "hash of the tokenizer that it was trained with");
    f("weights_dtype", weights_dtype, "of the files that it came from; empty = F32",
      one_of({"", "F64", "F32", "F16", "BF16"}));
    f("other_keys", other_keys, "of the SUBLLM layout's config.json that it came from");
    f("trained_tokens", trained_tokens, "of all training behind the weights; null = not known",
      within(0, 1e18));
    f("trained_flops", trained_flops, "of the same, by the ledger; null = not known",
      within(0, 1e30));
  }
};

/// All of a checkpoint but its weights.
struct CheckpointHeader {
  CheckpointInfo info;
  std::unique_ptr<Tokenizer> tokenizer;  ///< null when the checkpoint has none
  /// Ids at which its text ends: those of config.json and of generation_config.json.
  std::vector<int64_t> stop_ids;
};

struct Checkpoint : CheckpointHeader {
  std::unique_ptr<LanguageModel> model;
};

/// Names of config keys and tensors.
enum class Layout {
  own,    ///< for llama transformers' own, for others this program's
  subllm  ///< that of SUBLLM's published code
};

/// Writes the folder: all of it or nothing. `tokenizer` may be null; its hash is written beside its
/// file. `add` may write further files into the folder that it is given. Throws UserError for a
/// model that `layout` cannot express.
void save_checkpoint(const fs::path& folder, const LanguageModel& model, const CheckpointInfo& info,
                     const Tokenizer* tokenizer, Layout layout = Layout::own,
                     const std::function<void(const fs::path&)>& add = {});

/// Writes what was opened from the folder `from` into the new folder `to` in `layout`. What this
/// program does not understand stays as it is: keys of config.json, further files (tokenizer.json,
/// generation_config.json, ...), the dtype of the weights where it loses nothing. Where the layout
/// stays the same, weights are copied byte for byte and config.json gains the object "sublab"
/// alone. Files that are not taken over, weights in other forms, are told to `left_out`. Throws
/// UserError.
void convert_checkpoint(const Checkpoint& checkpoint, const fs::path& from, const fs::path& to,
                        Layout layout, const std::function<void(const std::string&)>& left_out);

/// Reads config.json, tokenizer and the names of the tensors of a folder of any form. Throws as
/// load_checkpoint, but of what the weights alone can be wrong in.
CheckpointHeader read_checkpoint_header(const fs::path& folder, const Catalog& catalog,
                                        const json& changes = json::object());

/// Opens a folder of any form. `changes` are applied to the model config before the model is built
/// ({"threshold": 0.1}), which stands on `device`. Throws UserError, also when the tokenizer in the
/// folder is not the one that the model was trained with.
Checkpoint load_checkpoint(const fs::path& folder, const Catalog& catalog,
                           const json& changes = json::object(), at::Device device = at::kCPU);

}  // namespace sublab

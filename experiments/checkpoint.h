// A checkpoint: a folder with config.json, model.safetensors and, where text was trained on, the
// tokenizer. Its forms: docs/checkpoints.md.
#pragma once

#include <memory>
#include <string>

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
  int64_t eos_id = -1;
  int64_t padding_id = -1;
  std::string tokenizer_hash = {};  ///< Tokenizer::content_hash(); "" when nothing says it

  template <class F>
  void fields(F& f) {
    f("model", model, "resolved model config");
    f("vocab_size", vocab_size, "number of ids", within(1, 1e9));
    f("context_len", context_len, "tokens per row in training", within(1, 1e9));
    f("boundary_id", boundary_id, "id that stands before every document", within(0, 1e9));
    f("tokenizer", tokenizer, "specification of the tokenizer");
    f("numerics_version", numerics_version, "of the architecture", within(1, 1e9));
    f("trained_on", trained_on, "text, or a task");
    f("eos_id", eos_id, "id that ends a document; -1 = boundary_id", within(-1, 1e9));
    f("padding_id", padding_id, "id that the SUBLLM layout takes for padding; -1 = none",
      within(-1, 1e9));
    f("tokenizer_hash", tokenizer_hash, "hash of the tokenizer that it was trained with");
  }
};

struct Checkpoint {
  std::unique_ptr<LanguageModel> model;
  CheckpointInfo info;
  std::unique_ptr<Tokenizer> tokenizer;  ///< null when the checkpoint has none
};

/// Names of config keys and tensors.
enum class Layout {
  own,    ///< for llama transformers' own, for others this program's
  subllm  ///< that of SUBLLM's published code
};

/// Writes the folder: all of it or nothing. `tokenizer` may be null. Throws UserError for a model
/// that `layout` cannot express. The hash of `tokenizer` is written beside its file.
void save_checkpoint(const fs::path& folder, const LanguageModel& model, const CheckpointInfo& info,
                     const Tokenizer* tokenizer, Layout layout = Layout::own);

/// Opens a folder of any form. `changes` are applied to the model config before the model is built
/// ({"threshold": 0.1}). Throws UserError, also when the tokenizer in the folder is not the one
/// that the model was trained with.
Checkpoint load_checkpoint(const fs::path& folder, const Catalog& catalog,
                           const json& changes = json::object());

}  // namespace sublab

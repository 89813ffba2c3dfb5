// What the commands that run one checkpoint have in common.
#pragma once

#include "core/schema/checkpoint_path.h"
#include "experiments/checkpoint/checkpoint_tokenizer.h"
#include "experiments/cli/command.h"

namespace sublab {

/// A checkpoint and the tokenizer that it is run with.
struct CheckpointWithTokenizer : Checkpoint {
  fs::path folder;
  std::string tokenizer_name;  ///< its specification or path
  TokenizerMatch belongs = TokenizerMatch::same;
  std::string own_tokenizer;  ///< what the checkpoint says; "" = nothing

  /// "bytes, not the checkpoint's own (sentencepiece:2048)".
  std::string tokenizer_text() const;
  json tokenizer_json() const;
};

struct CheckpointArguments {
  std::string checkpoint, tokenizer;
  bool other_tokenizer = false;
  std::vector<std::string> assignments;
  bool extrapolate = false;
  bool as_json = false;
  at::Device device = at::kCPU;

  /// --set, --extrapolate, --threads, --device and --json.
  void add_options(CLI::App& command);
  /// --tokenizer and --other-tokenizer.
  void add_tokenizer_option(CLI::App& command);
  /// The model with `assignments` applied. Throws UserError.
  Checkpoint open(const Catalog& catalog) const;
  /// The same, with the tokenizer that is asked for or its own. Throws UserError when the one that
  /// is asked for is not the model's, unless --other-tokenizer says that this is meant.
  CheckpointWithTokenizer open_with_tokenizer(const Catalog& catalog) const;
  /// Throws UserError when --other-tokenizer was given and no checkpoint `is_other`.
  void check_other_tokenizer(bool is_other) const;
  /// Throws UserError when `what`, of `n` tokens, is more than rows had in training, unless
  /// --extrapolate allows it.
  void check_length(const std::string& where, const std::string& what, int64_t n,
                    int64_t context_len) const;
};

/// The help of an argument that names a checkpoint.
inline constexpr const char* kCheckpointHelp =
    "checkpoint: its folder, or STUDY_DIR:VARIANT[@SEED] of a study";

/// A file of UTF-8 text that is not empty, ".gz" unpacked. Throws UserError.
std::string read_text_file(const std::string& path);

}  // namespace sublab

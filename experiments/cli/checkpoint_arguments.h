// What the commands that run one checkpoint have in common.
#pragma once

#include "experiments/checkpoint.h"
#include "experiments/cli/command.h"

namespace sublab {

struct CheckpointArguments {
  std::string checkpoint, tokenizer;
  std::vector<std::string> assignments;
  bool extrapolate = false;
  bool as_json = false;

  /// --set, --extrapolate, --threads and --json.
  void add_options(CLI::App& command);
  void add_tokenizer_option(CLI::App& command);
  /// The model with `assignments` applied. Throws UserError.
  Checkpoint open(const Catalog& catalog) const;
  /// The same, with the tokenizer that is asked for or its own.
  Checkpoint open_with_tokenizer(const Catalog& catalog) const;
  /// Throws UserError when `what`, of `n` tokens, is more than rows had in training, unless
  /// --extrapolate allows it.
  void check_length(const std::string& where, const std::string& what, int64_t n,
                    int64_t context_len) const;
};

/// A file of UTF-8 text that is not empty, ".gz" unpacked. Throws UserError.
std::string read_text_file(const std::string& path);

}  // namespace sublab

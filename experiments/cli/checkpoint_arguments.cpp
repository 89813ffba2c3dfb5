#include "experiments/cli/checkpoint_arguments.h"

#include "data/sources/sources.h"
#include "data/text_files.h"
#include "experiments/cli/threads_option.h"

namespace sublab {

void CheckpointArguments::add_options(CLI::App& command) {
  command.add_option("--set", assignments, "change the model, for example model.threshold=0.1")
      ->take_all();
  command.add_flag("--extrapolate", extrapolate,
                   "allow more tokens in a row than the model was trained on");
  add_threads_option(command);
  command.add_flag("--json", as_json, "print JSON");
}

void CheckpointArguments::add_tokenizer_option(CLI::App& command) {
  command.add_option("--tokenizer", tokenizer,
                     "instead of the checkpoint's own: bytes, or PATH.model");
}

Checkpoint CheckpointArguments::open(const Catalog& catalog) const {
  json changes = json::object();
  for (const std::string& assignment : assignments) {
    set_by_assignment(changes, assignment);
    if (!assignment.starts_with("model."))
      throw UserError("--set " + assignment, "only keys of the model can change here (model.*)");
  }
  return load_checkpoint(checkpoint, catalog, changes.value("model", json::object()));
}

Checkpoint CheckpointArguments::open_with_tokenizer(const Catalog& catalog) const {
  Checkpoint out = open(catalog);
  if (!tokenizer.empty()) out.tokenizer = make_tokenizer(tokenizer, {}, 0, "--tokenizer");
  if (!out.tokenizer)
    throw UserError(checkpoint,
                    "holds no tokenizer.model; name one with --tokenizer bytes or PATH.model");
  if (out.tokenizer->vocab_size() > out.info.vocab_size)
    throw UserError("--tokenizer", "has " + std::to_string(out.tokenizer->vocab_size()) +
                                       " ids, the model " + std::to_string(out.info.vocab_size));
  return out;
}

void CheckpointArguments::check_length(const std::string& where, const std::string& what, int64_t n,
                                       int64_t context_len) const {
  if (n <= context_len || extrapolate) return;
  throw UserError(where, what + " above the " + std::to_string(context_len) +
                             " that a row had in training; --extrapolate allows it");
}

std::string read_text_file(const std::string& path) {
  std::string text = fs::path(path).extension() == ".gz" ? gunzip(path) : read_file(path);
  if (text.empty()) throw UserError(path, "is empty");
  check_text(text, path);
  return text;
}

}  // namespace sublab

// Options that commands on a checkpoint share, and opening what they name.
#include "experiments/cli/checkpoint_arguments.h"

#include "data/sources/sources.h"
#include "data/text/gzip.h"
#include "data/text/text_files.h"
#include "experiments/cli/device_option.h"
#include "experiments/cli/threads_option.h"

namespace sublab {

void CheckpointArguments::add_options(CLI::App& command) {
  command
      .add_option("--set", assignments,
                  "change the model, for example model.evaluate_selector.threshold=0.1")
      ->take_all();
  command.add_flag("--extrapolate", extrapolate,
                   "allow more tokens in a row than the model was trained on");
  add_threads_option(command);
  add_device_option(command, device);
  command.add_flag("--json", as_json, "print JSON");
}

void CheckpointArguments::add_tokenizer_option(CLI::App& command) {
  command.add_option("--tokenizer", tokenizer,
                     "bytes, or PATH.model, for a checkpoint that holds none");
  command.add_flag("--other-tokenizer", other_tokenizer,
                   "--tokenizer is not the one that the model was trained with, on purpose");
}

Checkpoint CheckpointArguments::open(const Catalog& catalog) const {
  json changes = json::object();
  for (const std::string& assignment : assignments) {
    set_by_assignment(changes, assignment);
    if (!assignment.starts_with("model."))
      throw UserError("--set " + assignment, "only keys of the model can change here (model.*)");
  }
  return load_checkpoint(find_checkpoint(checkpoint), catalog,
                         changes.value("model", json::object()), device);
}

namespace {

/// A tokenizer that this program cannot read, or "".
std::string foreign_tokenizer_file(const fs::path& folder) {
  for (const char* name : {"tokenizer.json", "vocab.json", "vocab.txt", "merges.txt"})
    if (fs::exists(folder / name)) return name;
  return "";
}

/// Why a tokenizer that nothing is known against cannot be that of a model that names none; "" when
/// it may be.
std::string misfit(const CheckpointWithTokenizer& opened) {
  const int64_t n = opened.tokenizer->vocab_size(), n_model = opened.info.vocab_size;
  if (2 * n < n_model)
    return opened.tokenizer_name + " has " + std::to_string(n) + " ids, the model " +
           std::to_string(n_model);
  const std::string theirs = foreign_tokenizer_file(opened.folder);
  if (opened.tokenizer_name == "bytes" && !theirs.empty())
    return opened.folder.string() + " has a tokenizer of its own in " + theirs +
           ", which is not bytes";
  return "";
}

std::unique_ptr<Tokenizer> asked_for(const std::string& spec) {
  if (spec != "bytes" && !spec.ends_with(".model"))
    throw UserError("--tokenizer", "'" + spec + "' is neither bytes nor PATH.model");
  return make_tokenizer(spec, {}, 0, "--tokenizer");
}

}  // namespace

CheckpointWithTokenizer CheckpointArguments::open_with_tokenizer(const Catalog& catalog) const {
  if (other_tokenizer && tokenizer.empty())
    throw UserError("--other-tokenizer", "has no effect without --tokenizer");
  CheckpointWithTokenizer out{
      open(catalog), find_checkpoint(checkpoint), tokenizer, TokenizerMatch::same, {}};
  const TokenizerIdentity own = identity_of(out);
  out.own_tokenizer = own.name;
  if (tokenizer.empty()) {
    if (!out.tokenizer)
      throw UserError(checkpoint,
                      "holds no tokenizer.model; name one with --tokenizer bytes or PATH.model");
    out.tokenizer_name = own.name;
    return out;
  }
  out.tokenizer = asked_for(tokenizer);
  const TokenizerIdentity given = identity_of(*out.tokenizer, tokenizer);
  out.belongs = match(own, given);
  if (out.belongs == TokenizerMatch::other && !other_tokenizer)
    throw UserError("--tokenizer", checkpoint + " was trained with " + own.text() + ", not with " +
                                       given.text() + "; --other-tokenizer allows it");
  if (out.tokenizer->vocab_size() > out.info.vocab_size)
    throw UserError("--tokenizer", "has " + std::to_string(out.tokenizer->vocab_size()) +
                                       " ids, the model " + std::to_string(out.info.vocab_size));
  if (out.belongs != TokenizerMatch::unknown) return out;
  const std::string why_not = misfit(out);
  if (why_not.empty()) return out;
  if (!other_tokenizer) throw UserError("--tokenizer", why_not + "; --other-tokenizer allows it");
  out.belongs = TokenizerMatch::other;
  return out;
}

void CheckpointArguments::check_other_tokenizer(bool is_other) const {
  if (other_tokenizer && !is_other)
    throw UserError("--other-tokenizer",
                    "has no effect: " + tokenizer + " is the tokenizer of " + checkpoint);
}

std::string CheckpointWithTokenizer::tokenizer_text() const {
  if (belongs == TokenizerMatch::same) return tokenizer_name;
  const std::string own = own_tokenizer.empty() ? "" : " (" + own_tokenizer + ")";
  return tokenizer_name + (belongs == TokenizerMatch::other
                               ? ", not the checkpoint's own" + own + ", as --other-tokenizer says"
                               : ", by your word: the checkpoint holds no tokenizer");
}

json CheckpointWithTokenizer::tokenizer_json() const {
  const char* names[] = {"own", "other", "not known"};
  return {{"name", tokenizer_name},
          {"hash", tokenizer->content_hash()},
          {"belongs", names[static_cast<int>(belongs)]},
          {"own", own_tokenizer.empty() ? json() : json(own_tokenizer)}};
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

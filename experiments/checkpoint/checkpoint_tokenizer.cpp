// Which tokenizer a checkpoint was trained with, and whether another one matches it.
#include "experiments/checkpoint/checkpoint_tokenizer.h"

namespace sublab {

std::string TokenizerIdentity::text() const {
  return hash.empty() || hash == name || !made_from.empty() ? name : name + " (hash " + hash + ")";
}

TokenizerMatch match(const TokenizerIdentity& a, const TokenizerIdentity& b) {
  const auto verdict = [](bool same) {
    return same ? TokenizerMatch::same : TokenizerMatch::other;
  };
  if (!a.hash.empty() && !b.hash.empty()) return verdict(a.hash == b.hash);
  if (!a.made_from.empty() && !b.made_from.empty()) return verdict(a.made_from == b.made_from);
  // What is not at hand came of text: it is neither bytes nor a task's.
  const auto is_file = [](const TokenizerIdentity& each) {
    return !each.hash.empty() && each.hash != each.name;
  };
  if ((!a.made_from.empty() && !b.hash.empty() && !is_file(b)) ||
      (!b.made_from.empty() && !a.hash.empty() && !is_file(a)))
    return TokenizerMatch::other;
  return TokenizerMatch::unknown;
}

TokenizerIdentity identity_of(const Tokenizer& tokenizer, const std::string& name) {
  return {name, tokenizer.content_hash(), ""};
}

TokenizerIdentity identity_of_task(const std::string& task) {
  return {"the task " + task, "the task " + task, ""};
}

TokenizerIdentity identity_of(const CheckpointHeader& checkpoint) {
  const CheckpointInfo& info = checkpoint.info;
  if (checkpoint.tokenizer)
    return identity_of(*checkpoint.tokenizer,
                       info.tokenizer.empty() ? "its tokenizer.model" : info.tokenizer);
  if (info.trained_on != "text") return identity_of_task(info.trained_on);
  // An older checkpoint whose tokenizer.model is gone says what it was, and not which one.
  return {info.tokenizer, info.tokenizer_hash, info.tokenizer_hash.empty() ? info.tokenizer : ""};
}

TokenizerIdentity planned_identity(const DataConfig& data, const PlanContent& content) {
  if (!data.on_text()) return identity_of_task(data.train_task());
  TokenizerIdentity out{data.tokenizer, "", ""};
  const auto known = known_tokenizer_hash(data.tokenizer, data.corpus, data.bytes_per_source);
  if (known) out.hash = *known;
  if (data.tokenizer == "bytes" || data.tokenizer.ends_with(".model")) return out;
  out.name += " of " + join(data.corpus);
  out.made_from = data.tokenizer + " " + std::to_string(data.bytes_per_source);
  for (const std::string& name : data.corpus) {
    const CorpusContent* corpus = content.corpus(name);
    out.made_from += " " + (corpus ? corpus->train : name);
  }
  return out;
}

TokenizerMatch check_from_tokenizer(const TokenizerIdentity& theirs, const TokenizerIdentity& own,
                                    const TrainConfig& train, const std::string& where) {
  const TokenizerMatch found = match(theirs, own);
  if (found == TokenizerMatch::other && !train.from_other_tokenizer)
    throw UserError(where + "/from", "'" + train.from + "' was trained with the tokenizer " +
                                         theirs.text() + ", this trial has " + own.text() +
                                         ": equal ids mean other text; "
                                         "\"train.from_other_tokenizer\": true allows it");
  if (found == TokenizerMatch::same && train.from_other_tokenizer)
    throw UserError(
        where + "/from_other_tokenizer",
        "has no effect: '" + train.from + "' was trained with the same tokenizer, " + own.text());
  return found;
}

}  // namespace sublab

// SentencePiece models that do something to text: one whose rules lower A to Z and drop blanks at
// the ends, which loses text, and one that puts a blank before every text, as Llama's do.
#pragma once

#include <sentencepiece_trainer.h>

#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/files.h"
#include "core/random.h"

namespace sublab {

/// Trains a model on made-up words, with `options` beside the common ones, and writes it to `path`.
inline void write_small_tokenizer(const fs::path& path,
                                  std::unordered_map<std::string, std::string> options) {
  RandomSequence random(5);
  std::vector<std::string> lines;
  for (int i = 0; i < 400; ++i) {
    std::string line = "note";
    for (int w = 0; w < 12; ++w) line += " word" + std::to_string(random.below(30));
    lines.push_back(line + ".");
  }
  options.insert({{"vocab_size", "330"},
                  {"byte_fallback", "true"},
                  {"hard_vocab_limit", "false"},
                  {"minloglevel", "2"}});
  class Lines : public sentencepiece::SentenceIterator {
   public:
    explicit Lines(const std::vector<std::string>& lines) : lines_(lines) {}
    bool done() const override { return at_ >= lines_.size(); }
    void Next() override { ++at_; }
    const std::string& value() const override { return lines_[at_]; }
    sentencepiece::util::Status status() const override { return {}; }

   private:
    const std::vector<std::string>& lines_;
    size_t at_ = 0;
  } iterator(lines);
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(options, &iterator, &model);
  if (!status.ok()) throw std::runtime_error(status.ToString());
  write_file_durably(path, model);
}

inline void write_lowercasing_tokenizer(const fs::path& path) {
  write_small_tokenizer(
      path, {{"normalization_rule_name", "nmt_nfkc_cf"}, {"add_dummy_prefix", "false"}});
}

inline void write_blank_first_tokenizer(const fs::path& path) {
  write_small_tokenizer(path, {{"normalization_rule_name", "identity"},
                               {"remove_extra_whitespaces", "false"},
                               {"add_dummy_prefix", "true"}});
}

}  // namespace sublab

// A SentencePiece model whose rules lower A to Z and drop blanks at the ends: it loses text.
#pragma once

#include <sentencepiece_trainer.h>

#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/files.h"
#include "core/random.h"

namespace sublab {

/// Trains one on made-up words and writes it to `path`.
inline void write_lowercasing_tokenizer(const fs::path& path) {
  RandomSequence random(5);
  std::vector<std::string> lines;
  for (int i = 0; i < 400; ++i) {
    std::string line = "note";
    for (int w = 0; w < 12; ++w) line += " word" + std::to_string(random.below(30));
    lines.push_back(line + ".");
  }
  const std::unordered_map<std::string, std::string> options = {
      {"vocab_size", "330"},         {"byte_fallback", "true"},
      {"minloglevel", "2"},          {"normalization_rule_name", "nmt_nfkc_cf"},
      {"add_dummy_prefix", "false"}, {"hard_vocab_limit", "false"}};
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

}  // namespace sublab

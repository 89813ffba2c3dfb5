// A vocabulary of words and signs that a task makes of its own texts, for trials that train on the
// task alone: the same prompts as in text, in as few tokens as they have words.
//
//   "The pass key is 472."  ->  The| pass| key| is| |4|7|2|.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "data/tokenizer.h"

namespace sublab {

/// Tokens are runs of letters with the blank before them, digits, and every other sign by itself;
/// a run that the texts do not hold goes by its letters. What no token stands for is refused.
class WordVocabulary : public Tokenizer {
 public:
  /// Of the words in `texts`, digits, the blank, and each sign of `signs`.
  WordVocabulary(const std::vector<std::string>& texts, const std::string& signs);

  /// Throws std::logic_error for a sign that is none of the vocabulary's.
  std::vector<int32_t> encode(std::string_view text) const override;
  std::string decode(const std::vector<int32_t>& ids) const override;
  int64_t vocab_size() const override { return static_cast<int64_t>(tokens_.size()); }
  int32_t boundary_id() const override { return 0; }
  std::string content_hash() const override;

 private:
  void add(const std::string& token);

  std::vector<std::string> tokens_ = {""};  // the boundary's is empty
  std::unordered_map<std::string, int32_t> ids_;
};

}  // namespace sublab

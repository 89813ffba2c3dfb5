// Which tokens of a text went how deep, and what kind of tokens they are.
#pragma once

#include <string>
#include <vector>

#include "data/tokenizer.h"
#include "models/language_model.h"

namespace sublab {

/// Kinds of tokens that keep rates are counted for.
inline const std::vector<std::string> kTokenClasses = {
    "boundary", "white_space", "word_start", "word_inside", "digit", "punctuation", "other"};

/// The class of each id, as an index into kTokenClasses. A token is classed by its first character
/// that is no blank; a letter starts a word where the text before it does not end in a letter.
std::vector<uint8_t> token_classes(const std::vector<int64_t>& ids, const Tokenizer& tokenizer);

/// The deepest level that each token of batch row `row` reached, 0 = the outermost blocks only.
/// `n_tokens` is the row's length at level 0.
std::vector<uint8_t> depths_of(const RecordedKeeps& keeps, const LanguageModel& model, int64_t row,
                               int64_t n_tokens);

/// Tokens seen and kept, per level and bucket.
class KeptHistogram {
 public:
  KeptHistogram(int64_t n_levels, int64_t n_buckets)
      : n_levels_(n_levels), n_buckets_(n_buckets), counts_(2 * n_levels * n_buckets, 0) {}
  /// One token of `bucket` that reached `depth`.
  void add(int64_t bucket, int64_t depth) {
    for (int64_t level = 1; level <= n_levels_; ++level) {
      double* cell = &counts_[2 * ((level - 1) * n_buckets_ + bucket)];
      cell[0] += depth >= level;
      cell[1] += 1;
    }
  }
  /// [levels, buckets, 2]: kept and seen.
  const std::vector<double>& counts() const { return counts_; }
  std::vector<int64_t> shape() const { return {n_levels_, n_buckets_, 2}; }

 private:
  int64_t n_levels_, n_buckets_;
  std::vector<double> counts_;
};

}  // namespace sublab

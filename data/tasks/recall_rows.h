// Rows of multi-query associative recall (arXiv:2312.04927): a row states key-value pairs, then
// asks for the value of every key again, in random order with repeats.
//
//   tokens  k1 v1 k2 v2 k1 v1 k2 v2 k2 v2 ...
//   labels   .  .  .  . v1  . v2  . v2  . ...      (. = not scored)
//   hints    1  1  1  1  1  0  1  0  1  0 ...      (0 = nothing later needs it)
//   roles    stated key, stated value, ..., query key, answer, ...
//
// The answer to a query is the next token, so the task is next-token prediction. Chance: 1 /
// kSymbols.
//
// With power_a above 0 each key is asked once, at a gap behind the pairs that is drawn without
// replacement with weights gap^(power_a - 1), as Zoology draws it; between queries stand keys that
// the row never states, so that no filler is a query without a label:
//
//   tokens  k1 v1 k2 v2 k7 k9 k2 v2 k5 k8 k1 v1
//   labels   .  .  .  .  .  . v2  .  .  . v1  .
#pragma once

#include <string>

#include "core/random.h"
#include "data/row_maker.h"

namespace sublab {

/// Rows of the stream `stream` of `seed`: training and evaluation rows come from streams of their
/// own.
class RecallRows : public RowSource {
 public:
  static constexpr int64_t kSymbols = 64;  ///< keys are 0..63, values 64..127
  static constexpr int64_t kVocabSize = 2 * kSymbols;

  RecallRows(int64_t length, int64_t n_pairs, uint64_t seed, const char* stream,
             double power_a = 0);
  /// Throws UserError at `path` where `n_pairs` leave no room for a query (with power_a: for all of
  /// them, by half of the row) in `length` tokens, which `what` says, or leave no symbol as filler.
  static void check_room(int64_t n_pairs, int64_t length, const std::string& what,
                         const std::string& path, double power_a = 0);

  TokenRow row(int64_t index) const override;
  /// What a token is to the task, and of each token of a row its place among these names.
  static const std::vector<std::string>& role_names(double power_a = 0);
  std::vector<uint8_t> roles_of(const TokenRow& row) const;
  int64_t context_len() const override { return length_ / 2 * 2; }
  int64_t vocab_size() const override { return kVocabSize; }

 private:
  /// Of each slot behind the pairs the pair that it asks, or -1 for filler.
  std::vector<int64_t> asked_pairs(RandomSequence& random) const;

  int64_t length_, n_pairs_;
  double power_a_;
  uint64_t key_;
};

}  // namespace sublab

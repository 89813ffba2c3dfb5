// Rows to train on that need no text: tokens by a hash of their place.
#pragma once

#include "core/random.h"
#include "data/row_source.h"
#include "tests/models/small_models.h"

namespace sublab {

class Noise : public RowSource {
 public:
  TokenRow row(int64_t index) const override {
    TokenRow out;
    for (int64_t t = 0; t < context_len(); ++t) {
      const auto token = [&](int64_t i) {
        return static_cast<int64_t>(mix_bits(static_cast<uint64_t>(index * 31 + i)) % kSmallVocab);
      };
      out.tokens.push_back(token(t));
      // Rows have unequal numbers of labels, so that a mean over passes would be another number.
      out.labels.push_back(t < index % 5 ? TokenRow::kIgnoredLabel : token(t + 1));
      out.positions.push_back(t);
    }
    out.lengths = {context_len()};
    return out;
  }
  int64_t context_len() const override { return 20; }
  int64_t vocab_size() const override { return kSmallVocab; }
};

}  // namespace sublab

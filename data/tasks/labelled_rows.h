// Rows whose labelled tokens are what a task asks: the model is read once, and nothing is
// generated.
#pragma once

#include <string>
#include <vector>

#include "core/random.h"
#include "data/row_maker.h"

namespace sublab {

class LabelledRows : public RowSource {
 public:
  LabelledRows(int64_t length, uint64_t seed, const std::string& stream)
      : length_(length), key_(stream_key(seed, stream)) {}
  int64_t context_len() const override { return length_; }
  /// What a token is to the task; of each token of a row its place among these names.
  virtual const std::vector<std::string>& role_names() const = 0;
  virtual std::vector<uint8_t> roles_of(const TokenRow& row) const = 0;
  /// Where in the row stands what the labels ask for, 0 to 1: of all labels together.
  virtual double depth_of(const TokenRow& row) const = 0;

 protected:
  uint64_t key_of_row(int64_t index) const { return mix_bits(key_ ^ static_cast<uint64_t>(index)); }
  /// Positions and lengths of a row whose tokens stand.
  static void finish(TokenRow& row) {
    row.lengths = {static_cast<int64_t>(row.tokens.size())};
    for (size_t i = 0; i < row.tokens.size(); ++i) row.positions.push_back(static_cast<int64_t>(i));
  }

  int64_t length_;

 private:
  uint64_t key_;
};

}  // namespace sublab

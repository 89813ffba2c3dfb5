// What all decode states have in common: how far their rows are, and the length they were declared.
#include "models/decode_state.h"

#include "core/error.h"

namespace sublab {

DecodeState::DecodeState(const DecodeState& of, const std::vector<int64_t>& rows)
    : declared_length_(of.declared_length_) {
  for (const int64_t row : rows) lengths_.push_back(of.lengths_.at(row));
}

void DecodeState::start_over() {
  lengths_.assign(lengths_.size(), 0);
  declared_length_ = -1;
}

int64_t DecodeState::declare(int64_t length) {
  if (declared_length_ < 0) declared_length_ = length;
  if (length != 0 && length != declared_length_)
    throw UserError("declared length", std::to_string(length) +
                                           " tokens, but these rows began with " +
                                           std::to_string(declared_length_));
  return declared_length_;
}

void DecodeState::advance(const Rows& rows) {
  for (int64_t b = 0; b < rows.n_rows(); ++b) lengths_[b] += rows.length(b);
}

}  // namespace sublab

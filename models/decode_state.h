// What decoding keeps between steps.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "models/rows.h"

namespace sublab {

/// Each architecture derives its own.
class DecodeState {
 public:
  virtual ~DecodeState() = default;
  /// Tokens seen so far per row.
  const std::vector<int64_t>& lengths() const { return lengths_; }
  /// Bytes held for the rows' past (keys, values, running sums).
  virtual int64_t n_bytes() const = 0;
  /// A state of its own whose row i goes on where row `rows[i]` of this one stands: {b, b, b} are
  /// three continuations of row b. Nothing that is done to one reaches the other.
  virtual std::unique_ptr<DecodeState> fork(const std::vector<int64_t>& rows) const = 0;
  /// Starts over: all rows are empty and nothing is declared, while memory and what was made ready
  /// for steps of a device stay. False where a state cannot; it is of no use then.
  virtual bool clear() { return false; }
  /// The declared length (Run::declared_length) that holds for these rows. The first call settles
  /// it; a later one may say the same or 0, and throws UserError on anything else.
  int64_t declare(int64_t length);
  /// Called by the model at the end of a step.
  void advance(const Rows& rows);

 protected:
  explicit DecodeState(int64_t n_rows) : lengths_(n_rows, 0) {}
  /// The part of clear() that belongs to this class.
  void start_over();
  /// The part of fork() that belongs to this class.
  DecodeState(const DecodeState& of, const std::vector<int64_t>& rows);

 private:
  std::vector<int64_t> lengths_;
  int64_t declared_length_ = -1;  // -1 until a step has said it
};

}  // namespace sublab

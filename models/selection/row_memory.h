// What scorers and selectors remember of a row between the steps of a decode state.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace sublab {

/// Remembers the rows' earlier tokens, so that a step goes on where the last one ended. Made empty
/// for every pass over whole rows.
class RowMemory {
 public:
  virtual ~RowMemory() = default;
  virtual int64_t n_bytes() const { return 0; }
  /// A memory of its own whose row i goes on where row `rows[i]` of this one stands.
  virtual std::unique_ptr<RowMemory> fork(const std::vector<int64_t>& rows) const = 0;
};

}  // namespace sublab

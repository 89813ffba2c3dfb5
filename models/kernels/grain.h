// How fine parallel work is cut.
#pragma once

#include <algorithm>
#include <cstdint>

namespace sublab {

/// Numbers that a thread should get at least: less is not worth waking one for.
inline constexpr int64_t kGrainNumbers = 16384;

/// The same in rows (or other units) of `numbers` each, for at::parallel_for.
inline int64_t grain_of(int64_t numbers) {
  return std::max<int64_t>(1, kGrainNumbers / std::max<int64_t>(1, numbers));
}

}  // namespace sublab

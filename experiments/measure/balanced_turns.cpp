// Williams' squares.
#include "experiments/measure/balanced_turns.h"

#include <algorithm>

#include "core/random.h"

namespace sublab {
namespace {

/// 0, 1, n-1, 2, n-2, ...: neighbours differ by each of 1 ... n-1 once where n is even, and by each
/// of them or its opposite where it is odd.
std::vector<size_t> first_row(size_t n) {
  std::vector<size_t> row;
  for (size_t i = 0; i < n; ++i) row.push_back(i % 2 == 1 ? (i + 1) / 2 : (n - i / 2) % n);
  return row;
}

}  // namespace

std::vector<std::vector<size_t>> balanced_turns(size_t n, uint64_t key) {
  RandomSequence random(key);
  std::vector<size_t> subject(n), shift(n);
  for (size_t i = 0; i < n; ++i) subject[i] = shift[i] = i;
  random.shuffle(subject);
  std::vector<std::vector<size_t>> out;
  for (const bool mirrored : {false, true}) {
    if (mirrored && n % 2 == 0) break;
    random.shuffle(shift);
    for (const size_t by : shift) {
      std::vector<size_t> row;
      for (const size_t place : first_row(n)) row.push_back(subject[(place + by) % n]);
      if (mirrored) std::reverse(row.begin(), row.end());
      out.push_back(row);
    }
  }
  return out;
}

}  // namespace sublab

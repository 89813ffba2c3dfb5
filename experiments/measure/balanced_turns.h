// In which order those whose speed is measured take turns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sublab {

/// Orders of `n` subjects, one per round; round r takes order r modulo their number. They are the
/// rows of a Latin square that is balanced for what the one before leaves behind (Williams 1949,
/// doi:10.1071/CH9490149): within n rounds each subject stands at each place once, and comes right
/// after each other one once. With an odd n that takes a second square: within 2 n rounds it comes
/// after each other one twice. Which subject is which, and the order of a square's rows, are drawn
/// from `key`.
std::vector<std::vector<size_t>> balanced_turns(size_t n, uint64_t key);

}  // namespace sublab

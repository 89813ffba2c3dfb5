// Decisions shuffled within their rows.
#include "experiments/tasks/random_keeps.h"

#include "core/random.h"

namespace sublab {

RecordedKeeps random_keeps(const RecordedKeeps& chosen, const std::vector<uint64_t>& keys) {
  RecordedKeeps out = chosen;
  for (size_t site = 0; site < out.decided.size(); ++site)
    for (size_t row = 0; row < out.decided[site].size(); ++row) {
      RandomSequence random(stream_key(keys.at(row), "random_keeps", site));
      random.shuffle(out.decided[site][row]);
    }
  return out;
}

}  // namespace sublab

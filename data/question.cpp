// Cuts prompts that are too long (data/question.h).
#include "data/question.h"

#include <algorithm>

namespace sublab {

std::vector<int64_t> cut_to_fit(std::vector<int64_t> ids, const Question& question) {
  const auto n = static_cast<int64_t>(ids.size()), most = question.max_read;
  if (most <= 0 || n <= most) return ids;
  // Both halves alike, as LongBench cuts: of an odd number one token more goes.
  const int64_t head = question.cut == Cut::middle ? std::max<int64_t>(1, most / 2) : 1;
  const int64_t tail = question.cut == Cut::middle ? most / 2 : most - 1;
  ids.erase(ids.begin() + head, ids.end() - tail);
  return ids;
}

}  // namespace sublab

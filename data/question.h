// What a model is asked in words of its own: the part that prompt compression may rewrite, and the
// part that stays.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sublab {

/// One question of a task. It is text, cut by the trial's tokenizer and begun by its boundary id,
/// or ids that are read as they are (two or more), for a task with symbols of its own.
struct Question {
  std::string context;               ///< comes first; what shortens prompts may rewrite it
  std::vector<int64_t> context_ids;  ///< the same as ids
  std::string text;                  ///< comes after it and stays as it is
  std::vector<int64_t> ids;          ///< the same as ids
  int64_t max_tokens = 16;           ///< of the answer
};

}  // namespace sublab

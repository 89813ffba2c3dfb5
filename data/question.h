// What a model is asked in words of its own: the part that prompt compression may rewrite, and the
// part that stays.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sublab {

/// What a prompt loses that is longer than may be read.
enum class Cut {
  beginning,  ///< tokens behind the boundary
  middle      ///< as many stay at both ends
};

/// One question of a task: text, cut by the trial's tokenizer and begun by its boundary id, or ids
/// that are read as they are (two or more), for a task with symbols of its own. Where both are
/// given, ids are what the model reads, and the text is what shortens prompts gets.
struct Question {
  std::string context;               ///< comes first; what shortens prompts may rewrite it
  std::vector<int64_t> context_ids;  ///< the same as ids
  std::string text;                  ///< comes after it and stays as it is
  std::vector<int64_t> ids;          ///< the same as ids
  std::vector<double> hints;         ///< of each of these ids, above 0 where it matters; or none
  int64_t max_tokens = 16;           ///< of the answer
  int64_t max_read = 0;              ///< tokens of the prompt, boundary included; 0 = all
  Cut cut = Cut::beginning;          ///< what goes where it has more

  // What the one who asks knows. Nobody else looks at it but for samples.
  std::vector<std::string> references;  ///< what is right: one answer, parts of it, or several
  int64_t length = 0;  ///< tokens that prompt and answer were made to fit in; 0 = as it comes
  double depth = -1;   ///< of what is asked for in the context, 0 to 1; below 0 = of none
  int64_t answer_place = -1;  ///< the token of the prompt that it begins at; below 0 = not known
};

/// The tokens of a prompt, cut to what its question may have read; the first one, the boundary,
/// stays.
std::vector<int64_t> cut_to_fit(std::vector<int64_t> ids, const Question& question);

}  // namespace sublab

// Checks that tasks on a user's data share (experiments/tasks/own_data.h).
#include "experiments/tasks/own_data.h"

#include "core/files.h"

namespace sublab {

void OwnData::resolve(const std::string& path, const std::string& task, const DataConfig& data,
                      int64_t answer_tokens) {
  if (!data.on_text())
    throw UserError(path, task + " asks in text, and a trial with data.train_on " +
                              data.train_task() + " has no tokenizer");
  if (name.empty()) name = fs::path(folder).lexically_normal().stem().string();
  if (window == 0) window = data.context_len;
  const std::string at = path + "/" + condition::kWindow;
  if (window > data.context_len && !extrapolate)
    throw UserError(at, std::to_string(window) + " is above data.context_len " +
                            std::to_string(data.context_len) + "; \"extrapolate\": true allows it");
  constexpr int64_t kLeast = 2;  // the boundary and one token of a prompt
  if (window < answer_tokens + kLeast)
    throw UserError(at, std::to_string(window) + " tokens hold no prompt beside an answer of " +
                            std::to_string(answer_tokens) + ", even a truncated one; at least " +
                            std::to_string(answer_tokens + kLeast) + " are needed");
}

void OwnData::settle_content(const std::string& path, const std::string& found) {
  if (!content.empty() && content != found)
    throw UserError(path + "/" + condition::kContent, "is " + content + ", but what '" + folder +
                                                          "' holds now has the hash " + found +
                                                          ": the data have changed");
  content = found;
}

}  // namespace sublab

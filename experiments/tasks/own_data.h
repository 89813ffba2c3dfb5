// What tasks on a user's data have in common: where the data lie, what they hold, how long a prompt
// may be.
#pragma once

#include <string>

#include "core/fields.h"
#include "core/schema/metrics.h"
#include "core/schema/trial_config.h"

namespace sublab {

struct OwnData {
  std::string folder;
  std::string content;
  std::string name;
  int64_t max_samples = 0;
  int64_t window = 0;
  bool extrapolate = false;

  /// `what` the folder holds. To be called by the fields() of a task's config.
  template <class F>
  void add_fields(F& f, const char* what) {
    f(condition::kFolder, folder, what);
    f(condition::kContent, content,
      "hash of what the data hold, found where it is empty; other data are refused");
    f("name", name, "of the data in tables; the last part of `folder` where it is empty");
    f("max_samples", max_samples, "of each group its first questions; 0 = all", within(0, 1 << 30));
    f(condition::kWindow, window, "tokens of prompt and answer; 0 = data.context_len",
      within(0, 1 << 24));
    f("extrapolate", extrapolate, "allow a window that is longer than data.context_len");
  }

  /// Fills in the zeros. Throws UserError at `path` for a trial without tokenizer, and for a window
  /// that is too long, or that leaves no room for a prompt beside `answer_tokens`.
  void resolve(const std::string& path, const std::string& task, const DataConfig& data,
               int64_t answer_tokens);
  /// Writes down what was found in the data, or throws UserError at `path` where `content` says
  /// something else.
  void settle_content(const std::string& path, const std::string& found);
};

}  // namespace sublab

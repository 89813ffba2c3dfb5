// Errors that a user can mend. Anything else that goes wrong is a broken invariant and asserts.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace sublab {

/// A user's mistake: one line that says where, what was given and what is allowed. Exit code 2.
class UserError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  /// "`where`: `what`".
  UserError(const std::string& where, const std::string& what)
      : std::runtime_error(where + ": " + what) {}
};

/// What is asked for is right, but this build or this device lacks it: an outcome of a trial.
class Unsupported : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The candidate meant by `name`: an alias (lr: learning_rate), the nearest spelling, "" for none.
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

/// Throws "`where`: unknown `kind` 'name'; did you mean 'x'? (one of: ...)".
[[noreturn]] void throw_unknown_name(const std::string& where, const std::string& kind,
                                     std::string_view name,
                                     const std::vector<std::string>& allowed);

/// "a, b, c".
std::string join(const std::vector<std::string>& items, const std::string& separator = ", ");

}  // namespace sublab

// Long work shows one line with rate and time left on a terminal, and plain lines elsewhere.
#pragma once

#include <chrono>
#include <string>

namespace sublab {

class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();
  /// `done` in [0, 1] of all the work, from which the time left follows; `text` says what is going
  /// on.
  void show(double done, const std::string& text);
  /// Prints a line that stays.
  void note(const std::string& text);

 private:
  using Clock = std::chrono::steady_clock;
  bool terminal_;
  Clock::time_point start_, last_;
  double first_done_ = -1;
  bool open_ = false;
};

/// "42 s", "3 min", "1 h 5 min", "4 days", "3 years".
std::string duration_text(double seconds);

}  // namespace sublab

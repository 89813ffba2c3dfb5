// One line that is drawn over on a terminal, plain lines elsewhere.
#include "core/progress.h"

#include <unistd.h>

#include <cstdio>

namespace sublab {

ProgressLine::ProgressLine()
    : terminal_(::isatty(2)), start_(Clock::now()), last_(start_ - std::chrono::hours(1)) {}

ProgressLine::~ProgressLine() {
  if (open_) std::fprintf(stderr, "\r\033[K");
}

void ProgressLine::show(double done, const std::string& text) {
  const auto now = Clock::now();
  const double since_last = std::chrono::duration<double>(now - last_).count();
  if (since_last < (terminal_ ? 0.2 : 15.0)) return;
  last_ = now;
  if (first_done_ < 0) first_done_ = done, start_ = now;
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const double gained = done - first_done_;
  const std::string left =
      gained > 1e-3 ? ", " + duration_text(elapsed * (1 - done) / gained) + " left" : "";
  const char* form = terminal_ ? "\r\033[K%3.0f%%  %s%s" : "%3.0f%%  %s%s\n";
  std::fprintf(stderr, form, 100 * done, text.c_str(), left.c_str());
  std::fflush(stderr);
  open_ = terminal_;
}

void ProgressLine::note(const std::string& text) {
  std::fprintf(stderr, "%s%s\n", open_ ? "\r\033[K" : "", text.c_str());
  open_ = false;
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<long>(seconds + 0.5);
  if (whole < 100) return std::to_string(whole) + " s";
  if (whole < 5400) return std::to_string((whole + 30) / 60) + " min";
  if (whole >= 2 * 365 * 86400) return std::to_string(whole / (365 * 86400)) + " years";
  if (whole >= 2 * 86400) return std::to_string((whole + 43200) / 86400) + " days";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole % 3600 / 60) + " min";
}

}  // namespace sublab

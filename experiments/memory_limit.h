// Ends this process when it takes too much memory.
#pragma once

#include <atomic>
#include <exception>
#include <thread>

namespace sublab {

/// An allocation that failed: of C++, or of a tensor on the host or a device.
bool is_out_of_memory(const std::exception& error);

/// While it lives, a thread looks at the resident set every other millisecond; when that is more
/// than `bytes` above what it was at the start, the process exits at once with `exit_code`, in the
/// middle of whatever it does.
class MemoryLimit {
 public:
  MemoryLimit(double bytes, int exit_code);
  ~MemoryLimit();
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;

 private:
  std::atomic<bool> done_ = false;
  std::thread watcher_;
};

}  // namespace sublab

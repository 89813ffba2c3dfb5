#include "experiments/memory_limit.h"

#include <c10/util/Exception.h>
#include <unistd.h>

#include <chrono>
#include <new>
#include <string>

#include "experiments/environment.h"

namespace sublab {

bool is_out_of_memory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) ||
      dynamic_cast<const c10::OutOfMemoryError*>(&error))
    return true;
  const std::string what = error.what();
  return what.find("not enough memory") != std::string::npos ||
         what.find("can't allocate memory") != std::string::npos;
}

MemoryLimit::MemoryLimit(double bytes, int exit_code)
    : watcher_([this, most = resident_bytes() + bytes, exit_code] {
        while (!done_) {
          if (resident_bytes() > most) ::_exit(exit_code);
          std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
      }) {}

MemoryLimit::~MemoryLimit() {
  done_ = true;
  watcher_.join();
}

}  // namespace sublab

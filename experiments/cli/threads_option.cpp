// --threads.
#include "experiments/cli/threads_option.h"

#include <ATen/Parallel.h>

#include "core/schema/study.h"

namespace sublab {

void add_threads_option(CLI::App& command) {
  command
      .add_option_function<int64_t>(
          "--threads", [](int64_t n) { at::set_num_threads(static_cast<int>(n)); },
          "threads to work with; default $OMP_NUM_THREADS, else the cores")
      ->check(CLI::Range(int64_t{1}, kMostThreads));
}

}  // namespace sublab

// --threads of the commands that run a model in this process.
#pragma once

#include <CLI/CLI.hpp>

namespace sublab {

/// LibTorch and MKL work with so many threads from the moment that the option is read.
void add_threads_option(CLI::App& command);

}  // namespace sublab

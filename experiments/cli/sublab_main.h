// The whole command line as one call, for a program outside this tree that has variants of its own:
//
//   int main(int argc, char** argv) {
//     sublab::Catalog catalog = sublab::built_in_catalog();
//     catalog.tasks.push_back(my_task());
//     return sublab::sublab_main(argc, argv, catalog);
//   }
//
// It links the library sublab_cli. Trials and speed workers are processes of the same program.
#pragma once

#include "experiments/catalog.h"

namespace sublab {

/// Runs the command that `argv` names with what `catalog` holds; returns the exit code.
int sublab_main(int argc, char** argv, const Catalog& catalog);

}  // namespace sublab

// sublab, with the variants of this tree.
#include "experiments/cli/sublab_main.h"

int main(int argc, char** argv) {
  return sublab::sublab_main(argc, argv, sublab::built_in_catalog());
}

// Trials of a finished study done once more, to see whether its numbers come again.
#pragma once

#include <string>
#include <vector>

#include "core/files.h"

namespace sublab {

struct RerunResult {
  std::string trial, variant;
  int64_t seed = 0;
  bool from_checkpoint = false;       ///< weights were there; else trained from scratch
  bool same_machine = false;          ///< CPU, instruction set and LibTorch as the record says
  int64_t compared = 0;               ///< numbers held against the record
  double largest_difference = 0;      ///< relative
  std::vector<std::string> problems;  ///< one line each
};

/// Does `n` trials that ended well again, drawn by `seed`, in a folder of its own under the study's
/// work/, with the threads of their records. On the same machine numbers must come again to 1e-9,
/// elsewhere to 1e-3: another instruction set sums in another order, and training multiplies that.
/// Times and memory are not compared.
std::vector<RerunResult> rerun_trials(const fs::path& study_folder, int64_t n, uint64_t seed);

}  // namespace sublab

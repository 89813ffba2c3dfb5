// The machine and the program, as a record states them.
#pragma once

#include <ATen/ATen.h>

#include <optional>

#include "core/fields.h"
#include "core/files.h"

namespace sublab {

/// CPU, caches, instruction set, threads, memory, the card behind `device`, LibTorch, compiler,
/// load at the time.
json environment(at::Device device = at::kCPU);

/// Commit and build of this program.
json code_provenance();

/// What this process took of the machine so far, and how much of it others take.
struct MachineUse {
  double cpu_seconds = 0;              ///< of all threads
  std::optional<double> wait_seconds;  ///< ready to run without a core; where the kernel counts it
  double load = 0;                     ///< threads of the machine that run or want to, last minute
};
MachineUse machine_use();

/// Peak resident set of this process so far, in bytes (VmHWM; ru_maxrss would be inherited).
double peak_resident_bytes();
/// Resident set of this process now, in bytes.
double resident_bytes();
/// What may still be allocated: free memory of the machine, or of this container where it has less.
double available_memory_bytes();
/// What there is in all: of the machine, or of this container where it has less.
double total_memory_bytes();
/// Starts the peak anew where the kernel lets us; true when it did.
bool reset_peak_resident();

/// A folder of files that come with the program, such as "studies": under $SUBLAB_ROOT/experiments,
/// else under the tree that the program was built from.
fs::path shipped_folder(const std::string& name);

/// Current time as RFC 3339, UTC.
std::string timestamp();

}  // namespace sublab

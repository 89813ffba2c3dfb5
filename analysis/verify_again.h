// A trial's record and arrays held against those of the same trial done again.
//
// On the machine of the record everything must come again: metrics, arrays, ledger, evaluations,
// audit. Another instruction set, library or compiler sums in another order, and training
// multiplies that: there numbers are held against the spread of the study's own seeds.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/npz.h"
#include "core/schema/record.h"

namespace sublab {

/// What a trial left.
struct TrialFiles {
  Record record;
  NpyMembers arrays;
};

/// Reads a trial's file of arrays beside its record; without one there are none. Throws UserError.
TrialFiles with_arrays(Record record, const fs::path& study_folder);

struct Agreement {
  /// What is not as it was when the record was made, "instruction_set is avx2, was avx512f"; empty
  /// = the same machine, whose numbers come again.
  std::vector<std::string> machine;
  int64_t numbers = 0;                ///< metrics held against the record
  int64_t arrays = 0;                 ///< the same
  int64_t checks = 0;                 ///< of the audit
  double largest_difference = 0;      ///< of a metric, relative
  std::vector<std::string> remarks;   ///< what could not be compared, and why
  std::vector<std::string> problems;  ///< one line each
  bool same_machine() const { return machine.empty(); }
  std::string verdict() const;
};

/// `seeds` are the study's trials of the same variant and probe, `before` among them or not.
/// `trained`: everything was done again; else the weights are those of the checkpoint.
Agreement hold_against(const TrialFiles& before, const TrialFiles& now,
                       const std::vector<TrialFiles>& seeds, bool trained);

/// What of the machine differs between two environments in records.
std::vector<std::string> machine_differences(const json& before, const json& now);

/// The standard deviation of a metric over trials; nothing for fewer than two.
std::optional<double> seed_spread(const Metric& metric, const std::vector<TrialFiles>& seeds);

}  // namespace sublab

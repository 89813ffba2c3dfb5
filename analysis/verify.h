// Whether the numbers of a study folder follow from its raw data.
//
// Raw data are records, arrays and the speed measurement. A digest in each catches a digit that was
// altered afterwards; numbers that follow from arrays or from the ledger are computed anew; the
// report is built anew and held against every file of it that is there.
#pragma once

#include <string>
#include <vector>

#include "core/files.h"
#include "core/schema/record.h"

namespace sublab {

struct Verification {
  int64_t records = 0;                ///< and plan and measurement: digest held against content
  int64_t unsealed = 0;               ///< the same, written before there were digests
  int64_t missing = 0;                ///< planned trials without a record
  int64_t arrays = 0;                 ///< whose hash was held against their bytes
  int64_t left_out = 0;               ///< that the keep policy did not ask for
  int64_t derived = 0;                ///< metrics computed anew from arrays and ledger
  int64_t report_files = 0;           ///< report.* and what else the report wrote
  std::vector<std::string> problems;  ///< one line each; empty = everything follows
};

/// Throws UserError when the folder holds no study, or neither records nor a speed measurement.
Verification verify_study(const fs::path& folder);

/// A metric that raw data decide, computed anew.
struct DerivedMetric {
  std::string name;
  double value = 0;
  std::string evaluation = {};  ///< "" of training
};

/// What follows from a record's ledger and, for each evaluation, from its arrays (those that are
/// there) in the study's folder.
std::vector<DerivedMetric> derive_metrics(const Record& record, const fs::path& study_folder);

/// Where two texts part: "line 12: '...' instead of '...'". Empty when they are equal.
std::string first_difference(const std::string& found, const std::string& expected);

}  // namespace sublab

// A study folder read into plain values: what the report is built from.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/statistics.h"
#include "core/schema/bench.h"
#include "core/schema/plan.h"
#include "core/schema/record.h"

namespace sublab {

/// Losses of one trial per validation document.
struct DocumentLossTable {
  std::vector<uint64_t> keys;
  std::vector<DocumentSum> sums;
  std::vector<double> bytes;  ///< of text that was scored
};

/// Everything known of one variant.
struct VariantData {
  std::string name;
  std::vector<Record> records;  ///< main trials, in order of seed; any outcome
  std::map<std::string, std::vector<Record>> probes;  ///< probe name -> records
  std::map<std::string, DocumentLossTable> losses;  ///< trial id -> losses; absent where arrays are
  /// Main records that ended well.
  std::vector<const Record*> good() const;
};

struct StudyData {
  fs::path folder;
  Plan plan;
  std::vector<VariantData> variants;  ///< in the plan's order
  std::optional<BenchFile> bench;
  int64_t missing = 0;  ///< planned trials without a record

  const VariantData& variant(const std::string& name) const;
};

/// The folder's speed measurement, if there is one.
std::optional<BenchFile> read_bench(const fs::path& folder);

/// Throws UserError when the folder holds no plan, no record at all, or damaged files.
StudyData read_study_data(const fs::path& folder);
/// The same for a folder that may hold a speed measurement and nothing else.
StudyData read_study_or_bench(const fs::path& folder);

}  // namespace sublab

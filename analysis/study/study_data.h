// A study folder read into plain values: what the report is built from.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "analysis/study/read_tables.h"
#include "analysis/study/unlike_data.h"
#include "core/npy.h"
#include "core/schema/bench.h"
#include "core/schema/plan.h"
#include "core/schema/record.h"

namespace sublab {

/// Those that ended well.
std::vector<const Record*> good_of(const std::vector<Record>& records);

/// A number of a record, or nothing.
using Reading = std::function<std::optional<double>(const Record& record)>;
/// The value that the record stands for, see Record::find_headline.
std::optional<double> metric_of(const Record& record, const std::string& name);
/// Bytes at the peak of training. Older records name no phase.
const Metric* train_memory(const Record& record);
/// FLOPs of the whole training, by the ledger.
std::optional<double> training_flops(const Record& record);
/// Nothing where nothing was trained.
std::optional<double> training_seconds(const Record& record);
/// The reading of every record that has it.
std::vector<double> readings(const std::vector<const Record*>& records, const Reading& read);

/// A control without selection: everything enters, and no score decides.
bool keeps_everything(const Record& record);

/// Everything known of one variant.
struct VariantData {
  std::string name;
  std::vector<Record> records;  ///< main trials, in order of seed; any outcome
  std::map<std::string, std::vector<Record>> probes;  ///< probe name -> records
  /// Trial id -> evaluation id -> losses; absent where arrays are.
  std::map<std::string, std::map<std::string, DocumentLossTable>> losses;
  std::map<std::string, std::string> refused = {};  ///< trial id -> why its losses do not count
  /// Trial id -> evaluation id -> answers; absent where arrays are.
  std::map<std::string, std::map<std::string, AnswerTable>> answers = {};
  /// Main records that ended well.
  std::vector<const Record*> good() const { return good_of(records); }
  /// Losses of one evaluation of a trial, or null.
  const DocumentLossTable* losses_of(const Record& record, const std::string& evaluation) const;
  /// Answers of one evaluation of a trial, or null.
  const AnswerTable* answers_of(const Record& record, const std::string& evaluation) const;
};

struct StudyData {
  fs::path folder;
  Plan plan;
  std::vector<VariantData> variants;  ///< in the plan's order
  std::optional<BenchFile> bench;
  int64_t missing = 0;               ///< planned trials that are needed and have no record
  std::set<std::string> not_needed;  ///< ids: nothing asked for these to widen a grid
  /// Names of text that do not mean the same in all records; the losses of these are taken out.
  UnlikeData unlike;

  bool has_records() const {
    return std::any_of(variants.begin(), variants.end(), [](const VariantData& variant) {
      return !variant.records.empty() || !variant.probes.empty();
    });
  }
  const VariantData& variant(const std::string& name) const;
};

/// Whether trials ended well and none of them was asked for a loss.
bool lacks_losses(const StudyData& data);

/// Main trials and those of probes that ended well; tuning trials are not shown.
std::vector<const Record*> shown_records(const StudyData& data);

/// An array that a trial left, "" of training, or nothing. Throws UserError where it is damaged.
std::optional<NpyArray> read_array(const fs::path& study_folder, const Record& record,
                                   const std::string& array, const std::string& evaluation = "");

/// The folder's speed measurement, if there is one.
std::optional<BenchFile> read_bench(const fs::path& folder);

/// Throws UserError when the folder holds no plan, no record at all, or damaged files.
StudyData read_study_data(const fs::path& folder);
/// The same for a folder that may hold a speed measurement and nothing else; of records without the
/// lines of audits and ledgers, which no table shows.
StudyData read_study_or_bench(const fs::path& folder);

}  // namespace sublab

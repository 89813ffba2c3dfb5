// What a trial's arrays hold per document and per row, as readers of a study ask for it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "analysis/statistics/statistics.h"
#include "core/files.h"
#include "core/schema/record.h"

namespace sublab {

/// Losses of one evaluation per document.
struct DocumentLossTable {
  std::vector<uint64_t> keys;
  std::vector<DocumentSum> sums;
  std::vector<double> bytes;  ///< of text that was scored
};

/// Answers of one evaluation of a task with questions, row by row: what is asked of one row depends
/// on each other, rows do not.
struct AnswerTable {
  std::vector<uint64_t> keys;
  std::vector<DocumentSum> rows;  ///< right answers as `loss`, those asked for as `tokens`
};

/// Losses and answers by evaluation; what a trial did not leave is absent.
struct TrialTables {
  std::map<std::string, DocumentLossTable> losses;
  std::map<std::string, AnswerTable> answers;
};

/// Throws UserError where arrays do not fit together.
TrialTables read_tables(const fs::path& study_folder, const Record& record);

}  // namespace sublab

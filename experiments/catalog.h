// Everything interchangeable, in one explicit table that is passed down as a value: a program
// outside this tree extends it by appending to it.
#pragma once

#include <string>
#include <vector>

#include "data/row_maker.h"
#include "data/sampling.h"
#include "experiments/tasks/task.h"
#include "models/entries/architecture.h"
#include "models/entries/compression.h"

namespace sublab {

struct Catalog {
  std::vector<ArchitectureEntry> architectures;
  Parts parts;
  DataParts data;
  std::vector<TaskEntry> tasks;
  std::vector<CompressionEntry> compressions;  ///< of tasks that ask
  std::vector<RowMaker> row_makers;            ///< of data.train_on, beside text

  /// Throws UserError at `where` with the nearest name when there is none of this name.
  const ArchitectureEntry& architecture(const std::string& name, const std::string& where) const;
  const TaskEntry& task(const std::string& name, const std::string& where) const;
  const RowMaker& row_maker(const std::string& name, const std::string& where) const;
};

/// The variants of this tree.
Catalog built_in_catalog();

/// Raised by any change of the harness (trainer, packing, evaluation) that moves a result.
inline constexpr int64_t kHarnessNumericsVersion = 2;
/// Raised by a change that moves results of training in bfloat16 alone.
inline constexpr int64_t kBfloat16NumericsVersion = 2;

}  // namespace sublab

// What makes training rows of its own, without text: one line of the catalog's table. A task of the
// same name (experiments/tasks) asks and scores; the rows that teach it are data.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/kind.h"
#include "data/row_source.h"

namespace sublab {

/// Its name is what data.train_on calls it.
struct RowMaker : EntryFacts {
  bool gives_hints = false;  ///< its rows say which tokens matter
  /// Checks the object data.train_on, {"task": name, ...}, for rows of `context_len` tokens and
  /// returns it with defaults written out. Throws UserError with the JSON path.
  std::function<json(const json& given, const std::string& path, int64_t context_len)> resolve;
  /// Training rows of `seed`, of at most `context_len` tokens.
  std::function<std::unique_ptr<RowSource>(const json& resolved, int64_t context_len,
                                           uint64_t seed)>
      rows;
};

}  // namespace sublab

// One line of the catalog's table of architectures.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/fields.h"
#include "models/language_model.h"
#include "models/selection/scorer.h"

namespace sublab {

struct ArchitectureEntry {
  std::string name;
  std::string summary;
  std::string source;
  int64_t numerics_version = 1;    ///< raised by any change that moves a result
  std::string expects = "causal";  ///< or "leaks": published so
  bool cut_dependent = false;      ///< step depends on where a row is cut
  std::function<std::vector<FieldHelp>()> describe;
  /// Checks a model config (the JSON object "model") and returns it with every default written out.
  /// Throws UserError with the JSON path.
  std::function<json(const json& given, const std::string& path, const Parts& parts)> resolve;
  /// Builds the model of a resolved config, fp32 on the CPU; `initial` may be just a seed.
  std::function<std::unique_ptr<LanguageModel>(const json& resolved, int64_t vocab_size,
                                               const Initial& initial, const Parts& parts)>
      make;
};

}  // namespace sublab

// Small models of everything in the catalog, made of the entries' own examples: what contract
// tests, the audit, goldens and microbenchmarks are asked about.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "experiments/catalog.h"

namespace sublab {

struct ModelCase {
  std::string name;                 ///< "subllm, scorer norm"
  std::vector<std::string> covers;  ///< "architecture subllm", "scorer norm"
  const ArchitectureEntry* entry;   ///< of the catalog
  json config;                      ///< resolved
};

/// Each example of each architecture; and, in the first example of each architecture that chooses
/// such a part, each example of each part: scorers that look at later tokens select in training
/// only. `changes` are made to every config ({"d_model": 256}). The catalog must live as long as
/// what is returned.
std::vector<ModelCase> model_cases(const Catalog& catalog, const json& changes = json::object());

}  // namespace sublab

#include "experiments/catalog.h"

#include "core/error.h"
#include "experiments/tasks/perplexity.h"
#include "experiments/tasks/recall.h"
#include "models/llama.h"
#include "models/selection/scorers/scorers.h"
#include "models/selection/selectors/selectors.h"
#include "models/subllm/subllm.h"

namespace sublab {
namespace {

template <class Entry>
const Entry& find(const std::vector<Entry>& entries, const char* kind, const std::string& name,
                  const std::string& where) {
  std::vector<std::string> names;
  for (const Entry& entry : entries) {
    if (entry.name == name) return entry;
    names.push_back(entry.name);
  }
  throw_unknown_name(where, kind, name, names);
}

}  // namespace

const ArchitectureEntry& Catalog::architecture(const std::string& name,
                                               const std::string& where) const {
  return find(architectures, "architecture", name, where);
}

const TaskEntry& Catalog::task(const std::string& name, const std::string& where) const {
  return find(tasks, "task", name, where);
}

Catalog built_in_catalog() {
  Catalog catalog;
  catalog.architectures = {llama_entry(), subllm_entry()};
  catalog.parts.scorers = {learned_scorer(), random_scorer(), stride_scorer(), norm_scorer()};
  catalog.parts.selectors = {top_k_selector(), top_k_discard_selector(), threshold_selector()};
  catalog.tasks = {perplexity_task(), recall_task()};
  return catalog;
}

}  // namespace sublab

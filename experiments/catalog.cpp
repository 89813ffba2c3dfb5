#include "experiments/catalog.h"

#include "core/error.h"

namespace sublab {

// The table. A variant's file ends in a function <name>_<kind>(), which returns its entry; a line
// here declares that function and puts the entry into the catalog.
#define SUBLAB_ARCHITECTURES(LINE) \
  LINE(llama)                      \
  LINE(subllm)

#define SUBLAB_SCORERS(LINE) \
  LINE(learned)              \
  LINE(random)               \
  LINE(stride)               \
  LINE(norm)                 \
  LINE(surprisal)            \
  LINE(entropy)              \
  LINE(attention)            \
  LINE(recency)              \
  LINE(frequency)            \
  LINE(oracle)

#define SUBLAB_SELECTORS(LINE) \
  LINE(top_k)                  \
  LINE(top_k_discard)          \
  LINE(threshold)              \
  LINE(causal_quantile)

#define SUBLAB_TASKS(LINE) \
  LINE(perplexity)         \
  LINE(recall)

#define SUBLAB_ROW_MAKERS(LINE) LINE(recall_rows)

#define SUBLAB_DECLARE_ARCHITECTURE(name) ArchitectureEntry name##_architecture();
#define SUBLAB_DECLARE_SCORER(name) ScorerEntry name##_scorer();
#define SUBLAB_DECLARE_SELECTOR(name) SelectorEntry name##_selector();
#define SUBLAB_DECLARE_TASK(name) TaskEntry name##_task();
SUBLAB_ARCHITECTURES(SUBLAB_DECLARE_ARCHITECTURE)
SUBLAB_SCORERS(SUBLAB_DECLARE_SCORER)
SUBLAB_SELECTORS(SUBLAB_DECLARE_SELECTOR)
SUBLAB_TASKS(SUBLAB_DECLARE_TASK)
#define SUBLAB_DECLARE_ROW_MAKER(name) RowMaker name##_maker();
SUBLAB_ROW_MAKERS(SUBLAB_DECLARE_ROW_MAKER)

Catalog built_in_catalog() {
#define SUBLAB_ARCHITECTURE(name) name##_architecture(),
#define SUBLAB_SCORER(name) name##_scorer(),
#define SUBLAB_SELECTOR(name) name##_selector(),
#define SUBLAB_TASK(name) name##_task(),
  Catalog catalog;
  catalog.architectures = {SUBLAB_ARCHITECTURES(SUBLAB_ARCHITECTURE)};
  catalog.parts.scorers = {SUBLAB_SCORERS(SUBLAB_SCORER)};
  catalog.parts.selectors = {SUBLAB_SELECTORS(SUBLAB_SELECTOR)};
  catalog.tasks = {SUBLAB_TASKS(SUBLAB_TASK)};
#define SUBLAB_ROW_MAKER(name) name##_maker(),
  catalog.row_makers = {SUBLAB_ROW_MAKERS(SUBLAB_ROW_MAKER)};
  return catalog;
}

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

const RowMaker& Catalog::row_maker(const std::string& name, const std::string& where) const {
  return find(row_makers, "rows beside text", name, where);
}

}  // namespace sublab

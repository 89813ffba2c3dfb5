// Which example of which entry goes where.
#include "experiments/examples.h"

#include <algorithm>

namespace sublab {
namespace {

class Cases {
 public:
  Cases(const Catalog& catalog, const json& changes) : catalog_(catalog), changes_(changes) {}

  /// What two examples come to is one case that covers both.
  void add(const ArchitectureEntry& entry, const std::string& name, json given,
           const std::string& covers) {
    given.update(changes_);
    given["architecture"] = entry.name;
    const json config = entry.resolve(given, "/" + name, catalog_.parts);
    for (ModelCase& each : out)
      if (each.config == config) return each.covers.push_back(covers);
    out.push_back({name, {covers}, &entry, config});
  }

  template <class EntryType, class Keys>
  void add_parts(const ArchitectureEntry& host, const std::string& kind,
                 const std::vector<EntryType>& table, const Keys& keys_of) {
    const auto fields = host.describe();
    for (const EntryType& entry : table)
      for (const Example& example : entry.examples) {
        json given = host.examples.front().config, choice = example.config;
        choice["type"] = entry.name;
        bool chosen = true;
        for (const std::string& key : keys_of(entry)) {
          given[key] = choice;
          chosen = chosen && std::any_of(fields.begin(), fields.end(),
                                         [&](const FieldHelp& f) { return f.name == key; });
        }
        const std::string part = kind + " " + entry.name;
        if (chosen)
          add(host, host.name + ", " + part + (example.name.empty() ? "" : " " + example.name),
              given, part);
      }
  }

  std::vector<ModelCase> out;

 private:
  const Catalog& catalog_;
  const json& changes_;
};

using Keys = std::vector<std::string>;

}  // namespace

std::vector<ModelCase> model_cases(const Catalog& catalog, const json& changes) {
  Cases cases(catalog, changes);
  for (const ArchitectureEntry& entry : catalog.architectures) {
    for (const Example& example : entry.examples)
      cases.add(entry, entry.name + (example.name.empty() ? "" : " " + example.name),
                example.config, "architecture " + entry.name);
    cases.add_parts(entry, "scorer", catalog.parts.scorers, [](const ScorerEntry& scorer) {
      return Keys{scorer.causal ? "scorer" : "train_scorer"};
    });
    cases.add_parts(entry, "selector", catalog.parts.selectors, [](const SelectorEntry& selector) {
      return selector.causal ? Keys{"train_selector", "evaluate_selector"} : Keys{"train_selector"};
    });
    cases.add_parts(entry, "gate", catalog.parts.gates,
                    [](const GateEntry&) { return Keys{"gate"}; });
    cases.add_parts(entry, "rope", catalog.parts.ropes,
                    [](const RopeEntry&) { return Keys{"rope"}; });
    cases.add_parts(entry, "execution", catalog.parts.executions,
                    [](const ExecutionEntry&) { return Keys{"execution"}; });
    cases.add_parts(entry, "kv_policy", catalog.parts.kv_policies,
                    [](const KvPolicyEntry&) { return Keys{"kv_policy"}; });
  }
  return std::move(cases.out);
}

}  // namespace sublab

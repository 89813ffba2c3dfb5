// What differs from kind to kind is said here once.
#include "experiments/kinds.h"

#include "core/schema/metrics.h"

namespace sublab {
namespace {

std::string property_of(const ArchitectureEntry& entry) {
  return entry.expects + (entry.exact_cut ? "; cut dependent" : "");
}

/// "causal; needs head".
std::string property_of(const ScorerEntry& entry) {
  std::string needs;
  for (const auto& [needed, what] :
       {std::pair(entry.needs.hints, "hints"), std::pair(entry.needs.attention, "T before"),
        std::pair(entry.needs.head, "head"), std::pair(entry.needs.text, "text")})
    if (needed) needs += (needs.empty() ? "; needs " : ", ") + std::string(what);
  return (entry.causal ? "causal" : "not causal") + needs;
}

std::string property_of(const SelectorEntry& entry) {
  return entry.causal ? "causal" : "not causal";
}

std::string property_of(const GateEntry& entry) {
  return entry.reads_scores ? "trains the scorer" : "trains no scorer";
}

std::string property_of(const RopeEntry& entry) {
  return entry.length_dependent_beyond ? "may depend on length" : "of attention";
}
std::string property_of(const ExecutionEntry&) { return "of attention"; }

std::string property_of(const KvPolicyEntry& entry) {
  return entry.exact_cut ? "of attention; cut dependent" : "of attention";
}
std::string property_of(const SamplingEntry&) { return "of training text"; }
std::string property_of(const PositionsEntry&) { return "of training text"; }

std::string property_of(const CompressionEntry&) { return "of prompts"; }

std::string property_of(const TaskEntry& entry) {
  return entry.has_prompts() ? "prompts and scores" : "evaluates";
}

std::string property_of(const RowMaker& maker) {
  return maker.gives_hints ? "to train on; gives hints" : "to train on";
}

template <class EntryType>
Kind kind(std::string name, std::vector<std::string> keys, const std::vector<EntryType>& table) {
  Kind out{std::move(name), std::move(keys), {}};
  for (const EntryType& entry : table) out.members.push_back({&entry, property_of(entry)});
  return out;
}

}  // namespace

std::vector<Kind> kinds_of(const Catalog& catalog) {
  const Parts& parts = catalog.parts;
  return {kind("architecture", {"/model/architecture"}, catalog.architectures),
          kind("scorer", {"/model/scorer", "/model/train_scorer"}, parts.scorers),
          kind("selector", {"/model/train_selector", "/model/evaluate_selector"}, parts.selectors),
          kind("gate", {"/model/gate"}, parts.gates),
          kind("rope", {"/model/rope"}, parts.ropes),
          kind("execution", {"/model/execution"}, parts.executions),
          kind("kv_policy", {"/model/kv_policy"}, parts.kv_policies),
          kind("sampling", {"/data/sampling"}, catalog.data.samplings),
          kind("positions", {"/data/positions"}, catalog.data.positions),
          kind("compression", {}, catalog.compressions),
          kind("task", {}, catalog.tasks),
          kind("rows", {}, catalog.row_makers)};
}

json numerics_versions(const TrialConfig& config, const Catalog& catalog) {
  const json whole = write_fields(config);
  json out = json::object();
  for (const Kind& kind : kinds_of(catalog))
    for (const std::string& key : kind.keys) {
      const json::json_pointer place(key);
      if (!whole.contains(place)) continue;
      for (const Member& member : kind.members)
        if (member.facts->name == chosen_type(whole.at(place)))
          out[kind.name + " " + member.facts->name] = member.facts->numerics_version;
    }
  return out;
}

int64_t compression_version(const json& task, const Catalog& catalog) {
  const json choice = task.value(condition::kCompression, json());
  if (!is_compressed(choice)) return 0;
  return find_entry(catalog.compressions, condition::kCompression, chosen_type(choice), "/evaluate")
      .numerics_version;
}

}  // namespace sublab

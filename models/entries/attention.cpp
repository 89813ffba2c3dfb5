// What a model's attention is made of, from its configuration; and the plain member of each kind.
#include "models/entries/attention.h"

#include <algorithm>

namespace sublab {

void AttentionConfig::resolve(const std::string& path, const AttentionTables& tables) {
  rope = resolve_choice(tables.ropes, "rope", rope, path + "/rope", "none");
  execution =
      resolve_choice(tables.executions, "execution", execution, path + "/execution", "local");
  kv_policy =
      resolve_choice(tables.kv_policies, "kv_policy", kv_policy, path + "/kv_policy", "full");
  const std::string policy = chosen_type(kv_policy);
  if (chosen_type(execution) != "local" &&
      !find_entry(tables.kv_policies, "kv_policy", policy, path + "/kv_policy").by_executor)
    throw UserError(path + "/execution",
                    "'" + chosen_type(execution) + "' has no effect with kv_policy '" + policy +
                        "', which computes attention on its own rank; allowed: local");
}

AttentionParts AttentionConfig::attention(const DecoderConfig& config,
                                          const AttentionTables& tables) const {
  return {make_choice(tables.ropes, "rope", rope, "/model/rope",
                      {.head_dim = config.head_dim, .theta = config.rope_theta}),
          make_choice(tables.executions, "execution", execution, "/model/execution",
                      {.n_heads = config.n_heads, .n_kv_heads = config.n_kv_heads}),
          make_choice(tables.kv_policies, "kv_policy", kv_policy, "/model/kv_policy", {})};
}

std::optional<int64_t> length_dependent_beyond(const json& model, const AttentionTables& tables) {
  if (!model.contains("rope")) return std::nullopt;
  const json& rope = model.at("rope");
  const RopeEntry& entry = find_entry(tables.ropes, "rope", chosen_type(rope), "/model/rope");
  return entry.length_dependent_beyond ? entry.length_dependent_beyond(rope) : std::nullopt;
}

std::function<bool(int64_t ordinal)> exact_cut_of_policy(const json& model,
                                                         const AttentionTables& tables) {
  if (!model.contains("kv_policy")) return {};
  const json& policy = model.at("kv_policy");
  const KvPolicyEntry& entry =
      find_entry(tables.kv_policies, "kv_policy", chosen_type(policy), "/model/kv_policy");
  if (!entry.exact_cut) return {};
  return [cut = entry.exact_cut, policy](int64_t ordinal) { return cut(policy, ordinal); };
}

void refuse_missing_parts(const std::string& architecture, const std::vector<FieldHelp>& fields,
                          const json& given, const std::string& path) {
  const std::string key = "kv_policy";
  const bool has_one = std::any_of(fields.begin(), fields.end(),
                                   [&](const FieldHelp& field) { return field.name == key; });
  if (has_one || !given.is_object() || !given.contains(key)) return;
  throw UserError(path + "/" + key, architecture +
                                        " has no KV cache that a policy could act on; leave "
                                        "kv_policy out");
}

namespace plain_parts {

/// An entry without settings that hands out what there is one of.
template <class EntryType, class Make>
EntryType entry(const char* name, const char* summary, const char* source, const Make& make) {
  EntryType out;
  out.name = name;
  out.summary = summary;
  out.source = source;
  out.describe = [] { return std::vector<FieldHelp>{}; };
  out.resolve = [](const json& choice, const std::string& path) {
    read_settings<NoSettings>(choice, path);
    return choice;
  };
  out.make = [make](const json&, const typename EntryType::Context& context) {
    return make(context);
  };
  return out;
}

}  // namespace plain_parts

RopeEntry none_rope() {
  return plain_parts::entry<RopeEntry>(
      "none", "rotary positions as trained", "arXiv:2104.09864",
      [](const RopeContext& context) { return plain_rope(context.head_dim, context.theta); });
}

ExecutionEntry local_execution() {
  return plain_parts::entry<ExecutionEntry>(
      "local", "every rank attends to rows of its own", "no change",
      [](const ExecutionContext&) { return local_attention(); });
}

KvPolicyEntry full_kv_policy_entry() {
  auto out =
      plain_parts::entry<KvPolicyEntry>("full", "keys and values of every token", "no change",
                                        [](const KvPolicyContext&) { return full_kv_policy(); });
  out.by_executor = true;
  return out;
}

}  // namespace sublab

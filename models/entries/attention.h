// The kinds that attention is made of: rope, execution, kv_policy. baselines/ implements them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/kind.h"
#include "models/parts/decoder.h"

namespace sublab {

struct RopeContext {
  int64_t head_dim = 0;
  double theta = 10000;  ///< base of the rotary frequencies
};
struct RopeEntry : Entry<Rope, RopeContext, std::shared_ptr<const Rope>> {
  /// Tokens up to which the logits of a row do not depend on how long the row is, by this resolved
  /// choice; nothing where they never do. Empty: they never do. The audit excuses longer rows, and
  /// only those.
  std::function<std::optional<int64_t>(const json& resolved)> length_dependent_beyond;
};

struct ExecutionContext {
  int64_t n_heads = 0;
  int64_t n_kv_heads = 0;
};
using ExecutionEntry =
    Entry<AttentionExecutor, ExecutionContext, std::shared_ptr<const AttentionExecutor>>;

/// Nothing is known of the model where a policy is made.
struct KvPolicyContext {};
struct KvPolicyEntry : Entry<KvPolicy, KvPolicyContext, std::shared_ptr<const KvPolicy>> {
  /// Whether it leaves attention to the executor, so that any `execution` goes with it. One that
  /// evicts computes on its own rank.
  bool by_executor = false;
  /// As ArchitectureEntry::exact_cut, of this resolved choice: a policy that treats the end of the
  /// prompt apart gives something else where the prompt ends elsewhere. Empty: every cut is exact.
  std::function<bool(const json& resolved, int64_t ordinal)> exact_cut;
};

struct AttentionTables {
  std::vector<RopeEntry> ropes;
  std::vector<ExecutionEntry> executions;
  std::vector<KvPolicyEntry> kv_policies;
};

/// Which of them a model has: fields of the config of every architecture with attention layers.
struct AttentionConfig {
  json rope = "none";
  json execution = "local";
  json kv_policy = "full";

  template <class F>
  void fields(F& f) {
    f("rope", rope, "extension of rotary positions (see `sublab list rope`); none = as trained");
    f("execution", execution, "who computes attention (see `sublab list execution`)");
    f("kv_policy", kv_policy, "what is kept of the past (see `sublab list kv_policy`)");
  }
  /// Writes out every choice. Throws UserError.
  void resolve(const std::string& path, const AttentionTables& tables);
  /// The parts for layers of `config`.
  AttentionParts attention(const DecoderConfig& config, const AttentionTables& tables) const;
};

/// RopeEntry::length_dependent_beyond of a resolved model, as its rope says; nothing where it has
/// none or depends on no length.
std::optional<int64_t> length_dependent_beyond(const json& model, const AttentionTables& tables);

/// KvPolicyEntry::exact_cut of a resolved model; empty where every cut is exact.
std::function<bool(int64_t ordinal)> exact_cut_of_policy(const json& model,
                                                         const AttentionTables& tables);

/// Throws UserError for a part of attention among `given` that `architecture`, whose settings are
/// `fields`, cannot have: a policy needs a KV cache that it may act on.
void refuse_missing_parts(const std::string& architecture, const std::vector<FieldHelp>& fields,
                          const json& given, const std::string& path);

/// The members that change nothing.
RopeEntry none_rope();
ExecutionEntry local_execution();
KvPolicyEntry full_kv_policy_entry();

}  // namespace sublab

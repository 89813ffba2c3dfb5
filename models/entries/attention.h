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
using KvPolicyEntry = Entry<KvPolicy, KvPolicyContext, std::shared_ptr<const KvPolicy>>;

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

/// The members that change nothing.
RopeEntry none_rope();
ExecutionEntry local_execution();
KvPolicyEntry full_kv_policy_entry();

}  // namespace sublab

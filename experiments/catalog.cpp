// The table. A variant's file ends in a function <name>_<kind>(), which returns its entry; a line
// here declares that function and puts the entry into the catalog.
#include "experiments/catalog.h"

#include "core/error.h"

namespace sublab {

#define SUBLAB_ARCHITECTURES(LINE) \
  LINE(llama)                      \
  LINE(subllm)                     \
  LINE(infini_transformer)         \
  LINE(megalodon)                  \
  LINE(mega)                       \
  LINE(hourglass)                  \
  LINE(zipformer)                  \
  LINE(zipformer_noncausal)        \
  LINE(mixture_of_depths)

#define SUBLAB_SCORERS(LINE) \
  LINE(learned)              \
  LINE(frozen)               \
  LINE(random)               \
  LINE(random_places)        \
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
  LINE(causal_quantile)        \
  LINE(expert_threshold)

#define SUBLAB_GATES(LINE) \
  LINE(score)              \
  LINE(one)                \
  LINE(raw)                \
  LINE(sigmoid)            \
  LINE(softmax)

#define SUBLAB_ROPES(LINE) \
  LINE(none)               \
  LINE(linear)             \
  LINE(ntk)                \
  LINE(dynamic_ntk)        \
  LINE(ntk_by_parts)       \
  LINE(yarn)               \
  LINE(llama3)

#define SUBLAB_EXECUTIONS(LINE) LINE(local)

#define SUBLAB_KV_POLICIES(LINE) \
  LINE(full)                     \
  LINE(streaming_llm)            \
  LINE(h2o)                      \
  LINE(h2o_prompt)

#define SUBLAB_SAMPLINGS(LINE) \
  LINE(plain)                  \
  LINE(length_upsampling)      \
  LINE(cut)                    \
  LINE(global_upsampling)      \
  LINE(domain_upsampling)

#define SUBLAB_POSITIONS(LINE) \
  LINE(contiguous)             \
  LINE(pose)

#define SUBLAB_COMPRESSIONS(LINE) \
  LINE(none)                      \
  LINE(llmlingua)

#define SUBLAB_TASKS(LINE)    \
  LINE(perplexity)            \
  LINE(recall)                \
  LINE(induction)             \
  LINE(selective_copy)        \
  LINE(passkey)               \
  LINE(needle)                \
  LINE(ruler_niah_single)     \
  LINE(ruler_niah_multikey)   \
  LINE(ruler_niah_multivalue) \
  LINE(ruler_niah_multiquery) \
  LINE(ruler_vt)              \
  LINE(ruler_cwe)             \
  LINE(ruler_fwe)             \
  LINE(ruler_qa)              \
  LINE(multiple_choice)       \
  LINE(fewshot_generate)      \
  LINE(longbench)             \
  LINE(babilong)

#define SUBLAB_ROW_MAKERS(LINE)    \
  LINE(recall_rows)                \
  LINE(induction_rows)             \
  LINE(selective_copy_rows)        \
  LINE(passkey_rows)               \
  LINE(ruler_niah_single_rows)     \
  LINE(ruler_niah_multikey_rows)   \
  LINE(ruler_niah_multivalue_rows) \
  LINE(ruler_niah_multiquery_rows) \
  LINE(ruler_vt_rows)              \
  LINE(ruler_cwe_rows)             \
  LINE(ruler_fwe_rows)

#define SUBLAB_DECLARE_ARCHITECTURE(name) ArchitectureEntry name##_architecture();
#define SUBLAB_DECLARE_SCORER(name) ScorerEntry name##_scorer();
#define SUBLAB_DECLARE_SELECTOR(name) SelectorEntry name##_selector();
#define SUBLAB_DECLARE_GATE(name) GateEntry name##_gate();
#define SUBLAB_DECLARE_ROPE(name) RopeEntry name##_rope();
#define SUBLAB_DECLARE_EXECUTION(name) ExecutionEntry name##_execution();
#define SUBLAB_DECLARE_KV_POLICY(name) KvPolicyEntry name##_kv_policy_entry();
#define SUBLAB_DECLARE_SAMPLING(name) SamplingEntry name##_sampling();
#define SUBLAB_DECLARE_POSITIONS(name) PositionsEntry name##_positions();
#define SUBLAB_DECLARE_COMPRESSION(name) CompressionEntry name##_compression();
#define SUBLAB_DECLARE_TASK(name) TaskEntry name##_task();
#define SUBLAB_DECLARE_ROW_MAKER(name) RowMaker name##_maker();
SUBLAB_ARCHITECTURES(SUBLAB_DECLARE_ARCHITECTURE)
SUBLAB_SCORERS(SUBLAB_DECLARE_SCORER)
SUBLAB_SELECTORS(SUBLAB_DECLARE_SELECTOR)
SUBLAB_GATES(SUBLAB_DECLARE_GATE)
SUBLAB_ROPES(SUBLAB_DECLARE_ROPE)
SUBLAB_EXECUTIONS(SUBLAB_DECLARE_EXECUTION)
SUBLAB_KV_POLICIES(SUBLAB_DECLARE_KV_POLICY)
SUBLAB_SAMPLINGS(SUBLAB_DECLARE_SAMPLING)
SUBLAB_POSITIONS(SUBLAB_DECLARE_POSITIONS)
SUBLAB_COMPRESSIONS(SUBLAB_DECLARE_COMPRESSION)
SUBLAB_TASKS(SUBLAB_DECLARE_TASK)
SUBLAB_ROW_MAKERS(SUBLAB_DECLARE_ROW_MAKER)

Catalog built_in_catalog() {
#define SUBLAB_ARCHITECTURE(name) name##_architecture(),
#define SUBLAB_SCORER(name) name##_scorer(),
#define SUBLAB_SELECTOR(name) name##_selector(),
#define SUBLAB_GATE(name) name##_gate(),
#define SUBLAB_ROPE(name) name##_rope(),
#define SUBLAB_EXECUTION(name) name##_execution(),
#define SUBLAB_KV_POLICY(name) name##_kv_policy_entry(),
#define SUBLAB_SAMPLING(name) name##_sampling(),
#define SUBLAB_POSITION(name) name##_positions(),
#define SUBLAB_COMPRESSION(name) name##_compression(),
#define SUBLAB_TASK(name) name##_task(),
#define SUBLAB_ROW_MAKER(name) name##_maker(),
  Catalog catalog;
  catalog.architectures = {SUBLAB_ARCHITECTURES(SUBLAB_ARCHITECTURE)};
  catalog.parts.scorers = {SUBLAB_SCORERS(SUBLAB_SCORER)};
  catalog.parts.selectors = {SUBLAB_SELECTORS(SUBLAB_SELECTOR)};
  catalog.parts.gates = {SUBLAB_GATES(SUBLAB_GATE)};
  catalog.parts.ropes = {SUBLAB_ROPES(SUBLAB_ROPE)};
  catalog.parts.executions = {SUBLAB_EXECUTIONS(SUBLAB_EXECUTION)};
  catalog.parts.kv_policies = {SUBLAB_KV_POLICIES(SUBLAB_KV_POLICY)};
  catalog.data.samplings = {SUBLAB_SAMPLINGS(SUBLAB_SAMPLING)};
  catalog.data.positions = {SUBLAB_POSITIONS(SUBLAB_POSITION)};
  catalog.compressions = {SUBLAB_COMPRESSIONS(SUBLAB_COMPRESSION)};
  catalog.tasks = {SUBLAB_TASKS(SUBLAB_TASK)};
  catalog.row_makers = {SUBLAB_ROW_MAKERS(SUBLAB_ROW_MAKER)};
  return catalog;
}

const ArchitectureEntry& Catalog::architecture(const std::string& name,
                                               const std::string& where) const {
  return find_entry(architectures, "architecture", name, where);
}

const TaskEntry& Catalog::task(const std::string& name, const std::string& where) const {
  return find_entry(tasks, "task", name, where);
}

const RowMaker& Catalog::row_maker(const std::string& name, const std::string& where) const {
  return find_entry(row_makers, "rows beside text", name, where);
}

}  // namespace sublab

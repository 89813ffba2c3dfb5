// The layout of SUBLLM's published code (github.com/XiaoMi/subllm): its config.json and the names
// of its tensors. Blocks are numbered by the `T` of the structure string, scorers by its `(`,
// bypass scales by its `)`. Without parentheses it is a Llama.
#pragma once

#include "core/fields.h"
#include "models/interchange/tensors.h"

namespace sublab {

/// What a config.json of that layout says.
struct SubllmLayout {
  json model;  ///< for `resolve` of the entry that it names: subllm, or llama without parentheses
  int64_t vocab_size = 0;
  int64_t context_len = 0;
  int64_t bos_id = 0;
  json eos_id = 0;          ///< an id, a list of ids, or null for none
  int64_t padding_id = -1;  ///< the id that its code takes for padding; -1 = none
  bool value_and_out_bias =
      true;  ///< only with attention_bias: v and o have a bias, not q and k only
};

/// Whether `config` is of that layout, by its keys.
bool is_subllm_layout(const json& config);

/// Reads it with the defaults of the published class. Settings that have no meaning here are
/// refused by name. Throws UserError at `where`.
SubllmLayout from_subllm_layout(const json& config, const std::string& where);

/// config.json of `layout`, whose `model` is resolved. Throws UserError at `where` for a model that
/// the layout cannot express, and says why.
json to_subllm_layout(const SubllmLayout& layout, const std::string& where);

/// The tensors of that layout, over those of `model`. Throws UserError at `where` when a threshold
/// is not 0, for which the layout has no place.
std::vector<StoredTensor> subllm_layout_tensors(const LanguageModel& model,
                                                const SubllmLayout& layout,
                                                const std::string& where);

}  // namespace sublab

// config.json of transformers' Llama, in the forms of its versions 4 and 5.
#pragma once

#include "core/fields.h"

namespace sublab {

/// What such a file says of a model and its vocabulary.
struct HfConfig {
  json model;  ///< for `resolve` of the llama entry
  int64_t vocab_size = 0;
  int64_t context_len = 0;  ///< max_position_embeddings
  int64_t bos_id = -1;      ///< -1 = none
  json eos_id;              ///< an id, a list of ids, or null for none
};

/// config.json as transformers writes it, with the keys of 4.x and of 5.x. `config.model` is
/// resolved.
json to_hf_config(const HfConfig& config);

/// Reads a config.json as transformers 5 does: its types (64.0 and "64" are no whole numbers), its
/// defaults, its order of precedence among rope_scaling, rope_parameters and rope_theta. What would
/// mean another model is refused by name; the sizes of the model must be there. `own` is the model
/// that this program left beside these keys: where the keys of rotary positions are still those of
/// it, its own rope stands, which may say more than they can. Throws UserError at `where`.
HfConfig read_hf_config(const json& config, const std::string& where,
                        const json& own = json::object());

/// The ids that a value of eos_token_id names: a number, a list, or null. Ids below 0 stand for
/// none. Throws UserError at `where`.
std::vector<int64_t> eos_ids(const json& value, const std::string& where);

}  // namespace sublab

// config.json of transformers' Llama, in the forms of its versions 4 and 5.
#pragma once

#include "core/fields.h"

namespace sublab {

/// A resolved llama config as transformers writes it, keys of 4.x and 5.x both.
json to_hf_config(const json& llama, int64_t vocab_size, int64_t context_len, int64_t boundary_id);

/// What a transformers config says about the model, ready for the llama entry's `resolve`. Settings
/// that the model does not have are refused by name. Throws UserError at `where`.
json from_hf_config(const json& config, const std::string& where);

}  // namespace sublab

// Rotary positions in config.json of transformers: rope_theta and rope_scaling of its version 4,
// rope_parameters of its version 5.
#pragma once

#include "models/interchange/hf_keys.h"

namespace sublab {

struct HfRope {
  json choice;  ///< of model.rope; null = as trained
  double theta = 10000;
};

/// As transformers 5 reads them: a rope_scaling that is not empty stands for all of
/// rope_parameters; what is inside counts before a rope_theta beside it. A rope that is not one of
/// its `default`, `linear`, `dynamic`, `yarn` and `llama3` is refused by name, and so are a factor
/// below 1 and a window that is to become shorter. Where the keys are those that hf_rope_keys
/// writes for `own`, its rope is taken. Throws UserError.
HfRope read_hf_rope(const HfKeys& config, const json& own);

/// max_position_embeddings.
int64_t hf_context_len(const HfKeys& config);

/// rope_theta, rope_parameters and rope_scaling of a resolved model, which agree, and the
/// max_position_embeddings that goes with them: the new window of yarn and llama3, the old one of
/// dynamic, else `context_len`. A rope that transformers cannot say has a rope_type that it does
/// not know, so that no other program computes something else.
json hf_rope_keys(const json& model, int64_t context_len);

}  // namespace sublab

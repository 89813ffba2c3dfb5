// SUBLLM (arXiv:2406.06571): a Llama whose inner blocks see only the tokens that a scorer keeps.
// Between `(` and `)` of the structure string the kept tokens pass, with their original positions;
// at `)` they return to the stream, gated by their weight and a learned bypass scale c:
//
//   out_t = x_t + c * w_t * (y_t - x_t)  where kept,   out_t = x_t elsewhere.
//
// Training selects by top-k over the row (not causal, on purpose), evaluation by a threshold on the
// token's own score. Differences from the paper: its body was not available; what it leaves open
// (docs/architecture.md) is an option here, with the released code's choice as the default.
#pragma once

#include "models/architecture.h"

namespace sublab {

ArchitectureEntry subllm_entry();

}  // namespace sublab

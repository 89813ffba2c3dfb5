// Llama (arXiv:2302.13971): every token passes through every block.
//
//   h = x + Wo attention(RMSNorm(x)),  y = h + Wdown(silu(Wgate n) * Wup n),  n = RMSNorm(h)
//
// with rotary positions on q and k and grouped key/value heads (arXiv:2305.13245). Parameter names
// and arithmetic are those of transformers' LlamaForCausalLM, so that checkpoints open in both.
#pragma once

#include "models/architecture.h"

namespace sublab {

ArchitectureEntry llama_entry();

}  // namespace sublab

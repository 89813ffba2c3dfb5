// What shortens the prompts of a trial's tasks.
#pragma once

#include <memory>

#include "experiments/catalog.h"

namespace sublab {

/// Made as `resolved`, an entry of `evaluate`, chooses it; null for a task without prompts. It may
/// look at what `context` names, which must outlive it.
std::unique_ptr<PromptCompressor> compressor_of(const json& resolved, const TaskContext& context,
                                                const Catalog& catalog);

}  // namespace sublab

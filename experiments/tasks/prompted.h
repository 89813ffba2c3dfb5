// Tasks with a prompt stage: the harness reads, generates and hands the answers back.
#pragma once

#include "experiments/tasks/task.h"
#include "models/entries/compression.h"

namespace sublab {

/// Evaluates `task` as `entry`, by its own means or by its prompt stage. There every question
/// goes through `compressor` (null = as it is) and the model answers greedily, one question at a
/// time; what shortening saved and cost stands beside the scores. Throws UserError for text in a
/// trial that has no tokenizer.
void run_task(const TaskEntry& task, const json& entry, const TaskContext& context, Evaluation& out,
              const PromptCompressor* compressor = nullptr);

}  // namespace sublab

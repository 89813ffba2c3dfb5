// Tasks with a prompt stage: the harness reads, generates and hands the answers back.
#pragma once

#include "experiments/tasks/task.h"
#include "models/entries/compression.h"

namespace sublab {

/// Evaluates `task` as `entry`, by its own means or by its prompt stage. There every question
/// goes through `compressor` (null = as it is) and the model answers greedily, up to "batch" of the
/// entry (default 1) at once: answers depend neither on that nor on other questions. The share of
/// empty answers, and what shortening saved and cost, stand beside the scores. Throws UserError for
/// text in a trial that has no tokenizer.
void run_task(const TaskEntry& task, const json& entry, const TaskContext& context, Evaluation& out,
              const PromptCompressor* compressor = nullptr);

/// Whether a model said nothing but blanks.
bool is_empty(const Answer& answer);

}  // namespace sublab

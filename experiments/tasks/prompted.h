// Tasks with a prompt stage: the harness reads, generates and hands the answers back.
#pragma once

#include "data/compression.h"
#include "experiments/tasks/task.h"

namespace sublab {

/// What the compression that `resolved` chooses makes of a question; empty where it chooses none.
RewriteContext compression_of(const json& resolved,
                              const std::vector<CompressionEntry>& compressions);

/// Evaluates `task` as `resolved`, by its own means or by its prompt stage. There every question's
/// context goes through `rewrite` (empty = as it is) and the model answers greedily, one question
/// at a time. Throws UserError for text in a trial that has no tokenizer.
void run_task(const TaskEntry& task, const json& resolved, const TaskContext& context,
              Evaluation& out, const RewriteContext& rewrite = {});

}  // namespace sublab

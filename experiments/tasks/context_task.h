// Asks a task over long contexts (data/tasks/context_task.h): in text where the trial has text, in
// the task's own vocabulary where the trial was trained on the task.
#pragma once

#include "data/tasks/context_task.h"
#include "experiments/tasks/task.h"

namespace sublab {

TaskEntry asks(const ContextTask& task);

}  // namespace sublab

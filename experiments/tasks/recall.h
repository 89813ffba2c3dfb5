// Multi-query associative recall (arXiv:2312.04927): a row states key-value pairs, then asks for the
// value of every key again, in random order with repeats.
//
//   tokens  k1 v1 k2 v2 k1 v1 k2 v2 k2 v2 ...
//   labels   .  .  .  . v1  . v2  . v2  . ...      (. = not scored)
//
// The answer to a query is the next token, so the task is next-token prediction. Chance: 1 / n_values.
#pragma once

#include "experiments/tasks/task.h"

namespace sublab {

TaskEntry recall_task();

}  // namespace sublab

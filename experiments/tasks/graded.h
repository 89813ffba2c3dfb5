// Answers that a task has judged, made numbers: the same for every task with prompts.
#pragma once

#include <vector>

#include "experiments/tasks/task.h"

namespace sublab {

/// What an answer is worth: `right` of `asked` things, such as references that it contains.
struct Grade {
  double right = 0;
  double asked = 1;
};

/// One question as `samples` keeps it: beginning and end of the prompt (text, or ids where it is
/// no text), references, answer, grade, and length, depth and answer_place where the question has
/// them.
json sample_of(const Question& question, const Answer& answer, const Grade& grade);

/// `grades[i]` is that of `answers[i]`. Adds the accuracy of the task (the mean of right / asked,
/// with `chance`), that of each length of the questions, the arrays `answers`, `answer_keys`,
/// `by_length_depth` (where questions have a length) and `samples`.
void add_grades(const std::vector<Question>& questions, const std::vector<Answer>& answers,
                const std::vector<Grade>& grades, double chance, Evaluation& out);

}  // namespace sublab

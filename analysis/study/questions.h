// What a study asks of its trials: a task with its settings. Records answer a question where one of
// their evaluations has its task and conditions, whatever text they read.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/schema/record.h"

namespace sublab {

struct StudyData;
struct VariantData;

struct AskedQuestion {
  std::string task;
  json conditions = json::object();
  std::string label = {};  ///< what tells it from the task's others: "512", "test split"; may be ""
};

/// The questions of one task, in the order in which the study asks them.
struct TaskQuestions {
  std::string task;
  std::vector<AskedQuestion> questions;
  std::string axis;      ///< what varies between them: "window", "split and window"; "" = nothing
  bool spanned = false;  ///< some trial answers several of them: tables span the axis
};

/// Those of main trials and probes; tuning trials ask their own.
std::vector<TaskQuestions> questions_of(const StudyData& data);

/// Id of the evaluation that answers, or "" where none does.
std::string answer_to(const AskedQuestion& question, const Record& record);

/// The record's metric of this name for this question, or null. Throws AmbiguousMetric where the
/// answer has several of them (conditions, such as a module, tell them apart).
const Metric* answer_of(const Record& record, const AskedQuestion& question,
                        const std::string& name, const json& conditions = json::object());

/// The variant's main trials that ended well and answer; where there are none those of its probes.
std::vector<const Record*> answering(const VariantData& variant, const AskedQuestion& question);

/// Id of the evaluation of a record that a table or a figure speaks of; "" where there is none.
using EvaluationOf = std::function<std::string(const Record& record)>;
/// As above, of those for which `of` names an evaluation.
std::vector<const Record*> answering(const VariantData& variant, const EvaluationOf& of);

/// The record's answer to a question.
EvaluationOf answer_in(const AskedQuestion& question);
/// The record's only evaluation of a task, or its first.
EvaluationOf evaluation_of(const std::string& task);

/// What arrays are shown by: a question each of a task that trials are asked several of, else the
/// task, whatever each variant's settings are.
struct Asked {
  std::string task;
  std::string label;  ///< "" of a task that stands alone
  EvaluationOf of;

  /// "Loss" or "Loss, 256".
  std::string title(const std::string& of_what) const {
    return of_what + (label.empty() ? "" : ", " + label);
  }
};
std::vector<Asked> asked_of(const StudyData& data);

}  // namespace sublab

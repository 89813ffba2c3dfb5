// Collects questions and names each by what tells it from the others of its task.
#include "analysis/study/questions.h"

#include <algorithm>
#include <set>

#include "analysis/study/study_data.h"
#include "core/json_text.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace {

bool same(const AskedQuestion& question, const RecordedEvaluation& evaluation) {
  return question.task == evaluation.task && question.conditions == evaluation.conditions;
}

/// "512" of a window, "test split".
std::string shown(const std::string& key, const json& value) {
  const std::string text = unquoted(value);
  return key == condition::kSplit ? text + " split" : text;
}

std::string label_by(const std::vector<std::string>& keys, const AskedQuestion& question) {
  std::vector<std::string> parts;
  for (const std::string& key : keys)
    parts.push_back((keys.size() > 1 && key != condition::kSplit ? key + " " : "") +
                    shown(key, question.conditions.value(key, json())));
  return join(parts);
}

size_t n_labels(const std::vector<std::string>& keys, const std::vector<AskedQuestion>& questions) {
  std::set<std::string> labels;
  for (const AskedQuestion& question : questions) labels.insert(label_by(keys, question));
  return labels.size();
}

/// The fewest conditions that tell the questions apart, those that a reader thinks of first before
/// the others.
std::vector<std::string> telling_apart(const std::vector<AskedQuestion>& questions) {
  std::vector<std::string> candidates = {condition::kSplit, "length", "context", condition::kWindow,
                                         "depth"};
  for (const AskedQuestion& question : questions)
    for (const auto& [key, value] : question.conditions.items())
      if (std::find(candidates.begin(), candidates.end(), key) == candidates.end())
        candidates.push_back(key);
  std::vector<std::string> keys;
  size_t n = 1;
  for (const std::string& key : candidates) {
    keys.push_back(key);
    const size_t with = n_labels(keys, questions);
    if (with == n) keys.pop_back();
    n = with;
  }
  return keys;
}

void add(const Record& record, std::vector<TaskQuestions>& out) {
  for (const RecordedEvaluation& evaluation : record.evaluations) {
    auto task = std::find_if(out.begin(), out.end(),
                             [&](const auto& each) { return each.task == evaluation.task; });
    if (task == out.end()) {
      out.push_back({evaluation.task, {}, "", false});
      task = out.end() - 1;
    }
    auto& questions = task->questions;
    if (std::none_of(questions.begin(), questions.end(),
                     [&](const AskedQuestion& each) { return same(each, evaluation); }))
      questions.push_back({evaluation.task, evaluation.conditions});
    const auto n = std::count_if(record.evaluations.begin(), record.evaluations.end(),
                                 [&](const auto& each) { return each.task == evaluation.task; });
    task->spanned = task->spanned || n > 1;
  }
}

}  // namespace

std::vector<TaskQuestions> questions_of(const StudyData& data) {
  std::vector<TaskQuestions> out;
  for (const Record* record : shown_records(data)) add(*record, out);
  for (TaskQuestions& task : out) {
    if (task.questions.size() < 2) continue;
    const auto keys = telling_apart(task.questions);
    task.axis = join(keys, " and ");
    for (AskedQuestion& question : task.questions) question.label = label_by(keys, question);
  }
  return out;
}

std::string answer_to(const AskedQuestion& question, const Record& record) {
  for (const RecordedEvaluation& evaluation : record.evaluations)
    if (same(question, evaluation)) return evaluation.id;
  return "";
}

const Metric* answer_of(const Record& record, const AskedQuestion& question,
                        const std::string& name, const json& conditions) {
  const std::string id = answer_to(question, record);
  return id.empty() ? nullptr : record.find_in(id, name, conditions);
}

std::vector<const Record*> answering(const VariantData& variant, const EvaluationOf& of) {
  std::vector<const Record*> out;
  const auto collect = [&](const std::vector<Record>& records) {
    for (const Record* record : good_of(records))
      if (!of(*record).empty()) out.push_back(record);
  };
  collect(variant.records);
  for (const auto& [probe, records] : variant.probes)
    if (out.empty() && probe != kTuneProbe) collect(records);
  return out;
}

std::vector<const Record*> answering(const VariantData& variant, const AskedQuestion& question) {
  return answering(variant, answer_in(question));
}

EvaluationOf answer_in(const AskedQuestion& question) {
  return [question](const Record& record) { return answer_to(question, record); };
}

EvaluationOf evaluation_of(const std::string& task) {
  return [task](const Record& record) {
    for (const RecordedEvaluation& each : record.evaluations)
      if (each.task == task) return each.id;
    return std::string();
  };
}

std::vector<Asked> asked_of(const StudyData& data) {
  std::vector<Asked> out;
  for (const TaskQuestions& task : questions_of(data)) {
    if (!task.spanned) {
      out.push_back({task.task, "", evaluation_of(task.task)});
      continue;
    }
    for (const AskedQuestion& question : task.questions)
      out.push_back({task.task, question.label, answer_in(question)});
  }
  return out;
}

}  // namespace sublab

// BIG-Bench Hard as it is published (arXiv:2210.09261): bbh/NAME.json and cot-prompts/NAME.txt, and
// answers as SUBLLM's authors take them out of a chain of thought (XiaoMi/subllm, fewshot_eval).
#pragma once

#include <string>
#include <vector>

#include "data/readers/data_files.h"

namespace sublab {

struct BbhTask {
  std::string name;
  std::string examples;  ///< three questions with their chains of thought
  struct Question {
    std::string input, target;
  };
  std::vector<Question> questions;
};

/// The tasks of these names (empty = all). `{"examples": [{"input", "target"}]}` in bbh/NAME.json,
/// or NAME.json beside cot-prompts; of cot-prompts/NAME.txt what stands behind its line "-----".
std::vector<BbhTask> read_bbh(DataFiles& files, const std::vector<std::string>& names,
                              const std::string& where);

/// What stands before the question, and the question.
std::string bbh_examples(const BbhTask& task);
std::string bbh_question(const BbhTask::Question& question);

/// The answer that a text of this task gives: a letter of a task with options, else the first line
/// behind the first "answer is ", without a full stop at its end.
std::string bbh_answer(const std::string& task, const std::string& text);
/// A target as bbh_answer() spells it: "A" of "(A)".
std::string bbh_target(const std::string& task, const std::string& target);

}  // namespace sublab

// AGIEval as it is published (arXiv:2304.06364): JSON lines of exam questions and a table of worked
// examples, and answers as SUBLLM's authors take them out of what a model says (XiaoMi/subllm,
// fewshot_eval).
#pragma once

#include <string>
#include <vector>

#include "data/readers/data_files.h"

namespace sublab {

struct AgiEvalQuestion {
  std::string examples, question;    ///< what is read; the first part is "" in prepared lines
  std::vector<std::string> targets;  ///< several letters where all of them are right together
  int64_t n_options = 0;             ///< 0 where it has none
};

struct AgiEvalTask {
  std::string name;
  std::vector<AgiEvalQuestion> questions;
};

/// The tasks of these names (empty = all that are there). Either lines {"passage", "question",
/// "options", "label", "answer"} in data/v1_1, data/v1, v1_1, v1 or the folder itself, with
/// few_shot_prompts.csv in the folder or its `data`, of which the first `shots` examples are taken
/// (without their explanations); or lines {"context", "label"} in experiment_input/few-shot, whose
/// prompts are ready.
std::vector<AgiEvalTask> read_agieval(DataFiles& files, const std::vector<std::string>& names,
                                      int64_t shots, const std::string& where);

/// The answer that a text gives to a question of this task: letters, or what is computed.
std::vector<std::string> agieval_answer(const std::string& task, const std::string& text);
/// Whether it is right: the same letters, or the same after simple rewriting of mathematics.
bool agieval_is_right(const std::string& task, const std::vector<std::string>& answer,
                      const std::vector<std::string>& targets);
/// How often guessing is right.
double agieval_chance(const std::string& task, const AgiEvalQuestion& question);

}  // namespace sublab

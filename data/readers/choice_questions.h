// Questions with choices: the MMLU folder as it is published (arXiv:2009.03300), and JSON lines of
// a user's own.
#pragma once

#include <string>
#include <vector>

#include "data/readers/data_files.h"

namespace sublab {

struct ChoiceQuestion {
  std::string question;
  std::vector<std::string> choices;
  int64_t answer = 0;  ///< place among the choices
};

/// Questions about one thing, and those that are shown with their answers before them.
struct ChoiceSubject {
  std::string name;
  std::vector<ChoiceQuestion> examples, questions;
};

/// What of the data is read.
struct ChoiceRules {
  int64_t shots = 5;                       ///< examples before each question
  std::vector<std::string> subjects = {};  ///< empty = all
  std::string split = "test";              ///< of MMLU: test, or validation
  int64_t max_samples = 0;                 ///< of each subject its first questions; 0 = all
};

struct ChoiceData {
  std::vector<ChoiceSubject> subjects;  ///< sorted by name
  std::string content;                  ///< a hash of the files

  int64_t n_questions() const;
};

/// A folder is MMLU's: dev/NAME_dev.csv and test/NAME_test.csv (or val/NAME_val.csv) of records
/// question, choices, letter of the answer, without a header, in the folder or in its `data`. A
/// file is of JSON lines {"question", "choices", "answer"} with an optional "subject"; the answer
/// is a place (from 0), a letter, or the text of a choice, and the first `shots` questions of each
/// subject are its examples and are not asked. Throws UserError at `where`.
ChoiceData read_choice_questions(const std::string& path, const std::string& where,
                                 const ChoiceRules& rules);

/// "A" of 0; up to 26 choices have a letter.
std::string letter_of(int64_t place);
/// The question and "\nAnswer:"; between them "\nA. first\nB. second" where letters answer.
std::string choice_prompt(const ChoiceQuestion& question, bool letters = true);
/// A blank, and the letter or the text of a choice.
std::string choice_continuation(const ChoiceQuestion& question, size_t place, bool letters = true);
/// The first `shots` examples with their answers. Where letters answer, there stands before them
/// "The following are multiple choice questions (with answers) about  SUBJECT.\n\n", with both
/// blanks, as MMLU's program writes it.
std::string choice_examples(const ChoiceSubject& subject, int64_t shots, bool letters = true);

}  // namespace sublab

// Questions about documents, as SQuAD and HotpotQA publish them, from files of the user's.
#pragma once

#include <string>
#include <vector>

namespace sublab {

struct DocumentQuestion {
  std::string question;
  std::vector<std::string> answers;  ///< any of them is right
  std::vector<size_t> documents;     ///< that answer it
};

struct QuestionFiles {
  std::vector<std::string> documents;  ///< each once
  std::vector<DocumentQuestion> questions;
  std::string content;  ///< hash of the files
};

/// `path`: a .json file of either layout, or a folder with such files. SQuAD: {"data":
/// [{"paragraphs": [{"context", "qas": [{"question", "answers": [{"text"}]}]}]}]}; what cannot be
/// answered is left out. HotpotQA: [{"question", "answer", "context": [[title, [sentence, ...]],
/// ...], "supporting_facts": [[title, sentence], ...]}]. Throws UserError at `where` for anything
/// else.
QuestionFiles read_question_files(const std::string& path, const std::string& where);

}  // namespace sublab

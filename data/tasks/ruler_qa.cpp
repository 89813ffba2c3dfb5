// Questions about one of many documents, after RULER (arXiv:2404.06654), from files of the user's:
// SQuAD (qa_1) or HotpotQA (qa_2). Other documents of the files stand around those that answer.
//
//   prompt  Answer the question based on the given documents. Only give me the answer and do not
//           output any other words. The following are given documents. Document 1: ... Document 2:
//           ... Question: In what country is Normandy located? Answer:
//   answer  France.
//
// Score: 1 where the answer contains any of the right ones. Chance: 0. Whole documents alone, so
// that a prompt may be shorter than asked by most of one.
#include <algorithm>

#include "data/tasks/answer_scores.h"
#include "data/tasks/context_tasks.h"
#include "data/tasks/question_files.h"

namespace sublab {
namespace ruler_qa {

constexpr const char* kTask =
    " Answer the question based on the given documents. Only give me the answer and do not output "
    "any other words.";

struct Settings {
  std::string path;
  std::string content;

  template <class F>
  void fields(F& f) {
    f("path", path, "a .json file of SQuAD or HotpotQA, or a folder with such files");
    f("content", content,
      "hash of what is read, filled in; another one than the files' is refused");
  }
  void check(const std::string& where) {
    if (path.empty())
      throw UserError(where + "/path", "is missing: name a .json file of SQuAD or HotpotQA");
    const std::string found = read_question_files(path, where + "/path").content;
    if (!content.empty() && content != found)
      throw UserError(where + "/content",
                      "'" + path + "' has changed: it reads " + found + ", not " + content);
    content = found;
  }
};

class DocumentQuestions : public PromptMaker {
 public:
  DocumentQuestions(const Settings& settings, const PromptMaterial& material)
      : PromptMaker(material.tokenizer),
        files_(read_question_files(settings.path, settings.path)) {}

  Prompt make(RandomSequence& random, const PromptShape& shape) const override {
    constexpr int kTries = 64;  // of questions whose documents are too long
    for (int i = 1;; ++i) try {
        return make(files_.questions[random.below(files_.questions.size())], random, shape);
      } catch (const DoesNotFit&) {
        if (i == kTries) throw;
      }
  }
  double chance() const override { return 0; }

 private:
  Prompt make(const DocumentQuestion& asked, RandomSequence& random,
              const PromptShape& shape) const {
    const std::string question = std::string(kTask) + " Question: " + asked.question + " Answer:";
    const std::string answer = " " + asked.answers.front();
    Draft draft(encoder_);
    draft.open(std::string(kTask).substr(1) + " The following are given documents.");
    int64_t left = draft.room(shape, question, answer);
    std::vector<size_t> chosen;
    const auto take = [&](size_t document) {
      // Numbers of several digits take more than one's; five stand for any.
      const auto cost = static_cast<int64_t>(encoder_.ids(text_of(document, 99999)).size());
      if (cost > left) return false;
      left -= cost;
      chosen.push_back(document);
      return true;
    };
    for (const size_t document : asked.documents)
      if (!take(document))
        throw DoesNotFit{shape.length - left +
                         static_cast<int64_t>(encoder_.ids(text_of(document, 99999)).size())};
    for (int misses = 0; misses < 8 && chosen.size() < files_.documents.size();) {
      const size_t other = random.below(files_.documents.size());
      const bool taken = std::find(chosen.begin(), chosen.end(), other) != chosen.end();
      misses += taken || !take(other);
    }
    std::vector<size_t> order = chosen;
    random.shuffle(order);
    const auto answers = [&](size_t document) {
      return std::find(asked.documents.begin(), asked.documents.end(), document) !=
             asked.documents.end();
    };
    for (size_t i = 0; i < order.size(); ++i)
      draft.add(text_of(order[i], i + 1), answers(order[i]));
    return draft.close(shape, question, answer, asked.answers);
  }
  std::string text_of(size_t document, size_t number) const {
    return " Document " + std::to_string(number) + ": " + files_.documents[document];
  }

  QuestionFiles files_;
};

}  // namespace ruler_qa

ContextTask ruler_qa_context_task() {
  using namespace ruler_qa;
  ContextTask task = context_task<Settings, DocumentQuestions>(
      "ruler_qa", "RULER: answer a question from one of many documents, of the user's files",
      "arXiv:2404.06654");
  task.has_depth = false;
  task.answer_tokens = 32;
  task.score = match_part_score;
  return task;
}

}  // namespace sublab

// Questions with choices, a few of them shown with their answers before: the model answers with the
// choice that it finds most likely (arXiv:2009.03300, arXiv:2005.14165).
//
//   The following are multiple choice questions (with answers) about  small numbers.
//
//   One and one is
//   A. 1
//   B. 2
//   C. 3
//   D. 4
//   Answer: B
//
//   Three less two is
//   A. 1
//   B. 2
//   C. 3
//   D. 4
//   Answer:                      <- and then " A", " B", " C" or " D"
//
// Where prompt and choice do not fit the window, examples are left out, the last first, as MMLU's
// program does; what is still too long loses its beginning.
#include <algorithm>

#include "core/schema/metrics.h"
#include "data/readers/choice_questions.h"
#include "experiments/tasks/continuation_scores.h"
#include "experiments/tasks/group_scores.h"
#include "experiments/tasks/own_data.h"
#include "experiments/text/text_data.h"

namespace sublab {
namespace multiple_choice {

struct Config {
  std::string task = "multiple_choice";
  OwnData data;
  int64_t shots = 5;
  std::string part = "test";
  std::vector<std::string> subjects;
  std::string answers = "letters";
  std::string normalization = "sum";

  template <class F>
  void fields(F& f) {
    f("task", task, "multiple_choice", one_of({"multiple_choice"}));
    data.add_fields(f,
                    "MMLU's folder (dev, test and val with a csv file a subject), or a file of "
                    "JSON lines {\"question\", \"choices\", \"answer\"}; absolute, or relative to "
                    "where the program is run");
    f("shots", shots, "examples before each question", within(0, 1000));
    f("part", part, "which of MMLU's questions", one_of({"test", "validation"}));
    f("subjects", subjects, "ask about these alone; empty = all");
    f("answers", answers,
      "what is scored: the letter of a choice, all choices standing in the question; or the text "
      "of "
      "a choice behind the question alone",
      one_of({"letters", "text"}));
    f("normalization", normalization,
      "what choices are compared by: the sum of the log-probabilities of their tokens, that per "
      "token, or that per byte of their text",
      one_of({"sum", "per_token", "per_byte"}));
  }
  bool letters() const { return answers == "letters"; }
};

Config read(const json& given, const std::string& path) {
  Config config;
  read_fields(given, path, config);
  return config;
}

ChoiceData load(Config& config, const std::string& path) {
  ChoiceData data =
      read_choice_questions(config.data.folder, path + "/" + condition::kFolder,
                            {config.shots, config.subjects, config.part, config.data.max_samples});
  config.data.settle_content(path, data.content);
  return data;
}

json resolve(const json& given, const std::string& path, const DataConfig& data) {
  Config config = read(given, path);
  load(config, path);
  config.data.resolve(path, config.task, data, 1);
  std::sort(config.subjects.begin(), config.subjects.end());
  return write_fields(config);
}

/// A question as the model reads it: the prompt followed by each of its choices.
struct Asked {
  std::string prompt;  ///< as text, with all examples that fit
  std::vector<Continuation> choices;
  bool shortened = false;
};

/// The ids of prompt and choice, of each choice; and how many of them all have in common with the
/// prompt alone.
struct Encoded {
  std::vector<std::vector<int32_t>> choices;
  size_t common = 0, longest = 0;
};

Encoded encode(const Tokenizer& tokenizer, const std::string& prompt,
               const ChoiceQuestion& question, bool letters) {
  Encoded out;
  const auto alone = tokenizer.encode(prompt);
  out.common = alone.size();
  for (size_t i = 0; i < question.choices.size(); ++i) {
    out.choices.push_back(tokenizer.encode(prompt + choice_continuation(question, i, letters)));
    const auto& ids = out.choices.back();
    const auto end = std::mismatch(alone.begin(), alone.end(), ids.begin(), ids.end()).first;
    out.common = std::min(out.common, static_cast<size_t>(end - alone.begin()));
    out.common = std::min(out.common, ids.size() - 1);  // something is asked for
    out.longest = std::max(out.longest, ids.size());
  }
  return out;
}

Asked ask(const Config& config, const ChoiceSubject& subject, const ChoiceQuestion& question,
          const Tokenizer& tokenizer) {
  const auto window = static_cast<size_t>(config.data.window);
  Asked out;
  Encoded encoded;
  for (int64_t shots = config.shots; shots >= 0; --shots) {
    out.prompt = choice_examples(subject, shots, config.letters()) +
                 choice_prompt(question, config.letters());
    encoded = encode(tokenizer, out.prompt, question, config.letters());
    if (encoded.longest <= window) break;  // the boundary comes, the last token is not read
    out.shortened = true;
  }
  const size_t cut = encoded.longest > window ? encoded.longest - window : 0;
  if (cut > encoded.common)
    throw UserError("task multiple_choice", "the choices of '" + question.question.substr(0, 60) +
                                                "' take more than the " + std::to_string(window) +
                                                " tokens of the window by themselves");
  for (const auto& ids : encoded.choices) {
    Continuation each;
    each.inputs.push_back(tokenizer.boundary_id());
    each.inputs.insert(each.inputs.end(), ids.begin() + static_cast<std::ptrdiff_t>(cut),
                       ids.end() - 1);
    each.first = encoded.common - cut;
    each.labels.assign(ids.begin() + static_cast<std::ptrdiff_t>(encoded.common), ids.end());
    out.choices.push_back(std::move(each));
  }
  return out;
}

/// The place of the choice with the best score; of equal ones the first.
size_t best_of(const Config& config, const ChoiceQuestion& question, const Asked& asked,
               const double* scores) {
  std::vector<double> normalized;
  for (size_t i = 0; i < question.choices.size(); ++i) {
    const size_t tokens = asked.choices[i].labels.size();
    const size_t bytes =
        std::max<size_t>(1, choice_continuation(question, i, config.letters()).size() - 1);
    const double by = config.normalization == "per_token"  ? static_cast<double>(tokens)
                      : config.normalization == "per_byte" ? static_cast<double>(bytes)
                                                           : 1;
    normalized.push_back(scores[i] / by);
  }
  return static_cast<size_t>(std::max_element(normalized.begin(), normalized.end()) -
                             normalized.begin());
}

/// What comes of it, question by question.
struct Results {
  std::vector<Question> questions;
  std::vector<Answer> answers;
  std::vector<Grade> grades;
  std::vector<std::string> groups;
  std::vector<bool> shortened;
  double chance = 0;

  void add(const Config& config, const ChoiceSubject& subject, const ChoiceQuestion& question,
           const Asked& asked, size_t chosen) {
    const auto said = [&](size_t i) {
      return config.letters() ? letter_of(static_cast<int64_t>(i)) : question.choices[i];
    };
    Question& kept = questions.emplace_back();
    kept.text = asked.prompt;
    kept.references = {said(static_cast<size_t>(question.answer))};
    Answer& answer = answers.emplace_back();
    answer.text = said(chosen);
    answer.ids = asked.choices[chosen].labels;
    answer.n_read = static_cast<int64_t>(asked.choices[chosen].inputs.size());
    grades.push_back({chosen == static_cast<size_t>(question.answer) ? 1.0 : 0.0});
    groups.push_back(subject.name.empty() ? config.data.name : subject.name);
    shortened.push_back(asked.shortened);
    chance += 1 / static_cast<double>(question.choices.size());
  }
};

void evaluate(const json& resolved, const TaskContext& context, Evaluation& out) {
  Config config = read(resolved, "/evaluate");
  const ChoiceData data = load(config, "/evaluate");
  Run run;
  run.activity = &out.activity();
  run.declared_length = config.data.window;
  Results results;
  for (const ChoiceSubject& subject : data.subjects) {
    std::vector<Asked> asked;
    std::vector<Continuation> all;
    for (const ChoiceQuestion& question : subject.questions) {
      asked.push_back(ask(config, subject, question, context.text->tokenizer()));
      all.insert(all.end(), asked.back().choices.begin(), asked.back().choices.end());
    }
    const std::vector<double> scores = continuation_scores(context.model, all, run);
    const double* at = scores.data();
    for (size_t i = 0; i < asked.size(); ++i) {
      const ChoiceQuestion& question = subject.questions[i];
      results.add(config, subject, question, asked[i], best_of(config, question, asked[i], at));
      at += question.choices.size();
    }
  }
  const auto n = static_cast<double>(results.grades.size());
  add_grades(results.questions, results.answers, results.grades, results.chance / n, out);
  add_group_scores(results.groups, results.grades, out);
  add_shortened(results.shortened, out);
}

}  // namespace multiple_choice

TaskEntry multiple_choice_task() {
  TaskEntry entry;
  entry.name = "multiple_choice";
  entry.summary = "questions with choices on data of your own: the likeliest choice answers";
  entry.source = "arXiv:2009.03300";
  entry.describe = [] { return describe_fields<multiple_choice::Config>(); };
  entry.resolve = multiple_choice::resolve;
  entry.evaluate = multiple_choice::evaluate;
  entry.examples = {};  // none without data
  return entry;
}

}  // namespace sublab

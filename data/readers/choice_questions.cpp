// MMLU's csv files and JSON lines with choices (data/readers/choice_questions.h).
#include "data/readers/choice_questions.h"

#include <algorithm>
#include <map>

namespace sublab {
namespace choices {

constexpr int64_t kLetters = 26;

/// Keeps the subjects that are asked for. Throws where one of them is not there.
void select_subjects(ChoiceData& data, const std::vector<std::string>& wanted,
                     const std::string& where) {
  if (wanted.empty()) return;
  std::vector<std::string> known;
  for (const ChoiceSubject& each : data.subjects) known.push_back(each.name);
  for (const std::string& name : wanted)
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw_unknown_name(where, "subject", name, known);
  std::erase_if(data.subjects, [&](const ChoiceSubject& each) {
    return std::find(wanted.begin(), wanted.end(), each.name) == wanted.end();
  });
}

class Mmlu {
 public:
  Mmlu(DataFiles& files, const ChoiceRules& rules, std::string where)
      : files_(files), rules_(rules), where_(std::move(where)) {}

  ChoiceData read() {
    const std::string split = rules_.split == "test" ? "test" : "val";
    const std::string folder = files_.first_of({split, "data/" + split});
    const auto names = files_.names(folder.empty() ? split : folder, "_" + split + ".csv");
    if (names.empty())
      throw UserError(where_, "holds no " + split + "/SUBJECT_" + split +
                                  ".csv; expected MMLU's folder (dev, test and val with a csv "
                                  "file a subject), or a file of JSON lines");
    ChoiceData data;
    const std::string root = folder.substr(0, folder.size() - split.size());
    for (const std::string& name : names) {
      if (!rules_.subjects.empty() && std::find(rules_.subjects.begin(), rules_.subjects.end(),
                                                name) == rules_.subjects.end()) {
        data.subjects.push_back(
            {name, {}, {}});  // its name alone is asked for, to say what there is
        continue;
      }
      ChoiceSubject subject{name, {}, questions(folder + "/" + name + "_" + split + ".csv")};
      const std::string examples = root + "dev/" + name + "_dev.csv";
      if (rules_.shots > 0) subject.examples = questions(examples);
      const auto n = static_cast<int64_t>(subject.examples.size());
      if (n < rules_.shots)
        files_.refuse(examples, 0,
                      "has " + std::to_string(n) + " examples, fewer than " +
                          std::to_string(rules_.shots) + " shots");
      subject.examples.resize(static_cast<size_t>(rules_.shots));
      data.subjects.push_back(std::move(subject));
    }
    return data;
  }

 private:
  std::vector<ChoiceQuestion> questions(const std::string& name) {
    const auto refuse = [&](int64_t line, const std::string& what) {
      files_.refuse(name, line, what);
    };
    std::vector<ChoiceQuestion> out;
    for (const CsvRecord& record :
         parse_csv(files_.read(name, "records of question, choices and letter"), refuse)) {
      const size_t n = record.fields.size();
      if (n < 4)
        refuse(record.line, "has " + std::to_string(n) +
                                " fields; expected a question, two or more choices and a letter");
      ChoiceQuestion question{record.fields[0],
                              {record.fields.begin() + 1, record.fields.end() - 1}};
      const std::string& letter = record.fields.back();
      const auto n_choices = static_cast<int64_t>(n) - 2;
      question.answer = letter.size() == 1 ? letter[0] - 'A' : -1;
      if (question.answer < 0 || question.answer >= n_choices)
        refuse(record.line, "has the answer '" + letter + "', none of its choices A to " +
                                letter_of(n_choices - 1));
      out.push_back(std::move(question));
    }
    return out;
  }

  DataFiles& files_;
  const ChoiceRules& rules_;
  std::string where_;
};

class OwnFile {
 public:
  OwnFile(DataFiles& files, const ChoiceRules& rules) : files_(files), rules_(rules) {}

  ChoiceData read() {
    std::map<std::string, std::vector<ChoiceQuestion>> by_subject;
    for (const JsonLine& line :
         files_.read_json_lines(name_, "lines of {\"question\", \"choices\", \"answer\"}"))
      by_subject[line.value.contains("subject") ? files_.text_of(line, "subject", name_) : ""]
          .push_back(question(line));
    ChoiceData data;
    for (auto& [subject, questions] : by_subject) {
      const auto n = static_cast<int64_t>(questions.size());
      if (n <= rules_.shots)
        files_.refuse(name_, 0,
                      "has " + std::to_string(n) + " questions" +
                          (subject.empty() ? "" : " about '" + subject + "'") + ", of which " +
                          std::to_string(rules_.shots) + " shots leave none to ask");
      data.subjects.push_back({subject,
                               {questions.begin(), questions.begin() + rules_.shots},
                               {questions.begin() + rules_.shots, questions.end()}});
    }
    return data;
  }

 private:
  ChoiceQuestion question(const JsonLine& line) const {
    ChoiceQuestion out{files_.text_of(line, "question", name_), {}};
    const json choices = line.value.value("choices", json());
    if (!choices.is_array() || choices.size() < 2 || choices.size() > kLetters)
      files_.refuse(name_, line.line, "needs \"choices\": a list of 2 to 26 strings");
    for (const json& choice : choices) {
      if (!choice.is_string())
        files_.refuse(name_, line.line, "needs \"choices\": a list of 2 to 26 strings");
      out.choices.push_back(choice.get<std::string>());
    }
    out.answer = place_of(line.value.value("answer", json()), out, line.line);
    return out;
  }

  int64_t place_of(const json& answer, const ChoiceQuestion& question, int64_t line) const {
    const auto n = static_cast<int64_t>(question.choices.size());
    int64_t place = -1;
    if (answer.is_number_integer()) {
      place = answer.get<int64_t>();
    } else if (answer.is_string()) {
      const auto text = answer.get<std::string>();
      const auto found = std::find(question.choices.begin(), question.choices.end(), text);
      if (found != question.choices.end())
        place = found - question.choices.begin();
      else if (text.size() == 1)
        place = text[0] - 'A';
    }
    if (place < 0 || place >= n)
      files_.refuse(name_, line,
                    "has the answer " + answer.dump() + ", none of its " + std::to_string(n) +
                        " choices (0 to " + std::to_string(n - 1) + ", A to " + letter_of(n - 1) +
                        ", or the text of one)");
    return place;
  }

  DataFiles& files_;
  const ChoiceRules& rules_;
  std::string name_ = files_.file_name();
};

}  // namespace choices

int64_t ChoiceData::n_questions() const {
  size_t n = 0;
  for (const ChoiceSubject& subject : subjects) n += subject.questions.size();
  return static_cast<int64_t>(n);
}

ChoiceData read_choice_questions(const std::string& path, const std::string& where,
                                 const ChoiceRules& rules) {
  DataFiles files(path, where);
  ChoiceData data = files.is_file() ? choices::OwnFile(files, rules).read()
                                    : choices::Mmlu(files, rules, where).read();
  choices::select_subjects(data, rules.subjects, where);
  for (ChoiceSubject& subject : data.subjects)
    if (rules.max_samples > 0 && static_cast<int64_t>(subject.questions.size()) > rules.max_samples)
      subject.questions.resize(static_cast<size_t>(rules.max_samples));
  data.content = files.content();
  return data;
}

std::string letter_of(int64_t place) { return std::string(1, static_cast<char>('A' + place)); }

std::string choice_prompt(const ChoiceQuestion& question, bool letters) {
  std::string out = question.question;
  for (size_t i = 0; letters && i < question.choices.size(); ++i)
    out += "\n" + letter_of(static_cast<int64_t>(i)) + ". " + question.choices[i];
  return out + "\nAnswer:";
}

std::string choice_continuation(const ChoiceQuestion& question, size_t place, bool letters) {
  return " " + (letters ? letter_of(static_cast<int64_t>(place)) : question.choices.at(place));
}

std::string choice_examples(const ChoiceSubject& subject, int64_t shots, bool letters) {
  std::string out;
  if (letters && !subject.name.empty()) {
    std::string about = subject.name;
    std::replace(about.begin(), about.end(), '_', ' ');
    out = "The following are multiple choice questions (with answers) about  " + about + ".\n\n";
  }
  for (int64_t i = 0; i < shots; ++i) {
    const ChoiceQuestion& example = subject.examples.at(static_cast<size_t>(i));
    out += choice_prompt(example, letters) +
           choice_continuation(example, static_cast<size_t>(example.answer), letters) + "\n\n";
  }
  return out;
}

}  // namespace sublab

// Reads SQuAD's and HotpotQA's layouts (data/tasks/question_files.h).
#include "data/tasks/question_files.h"

#include <algorithm>
#include <map>

#include "core/fields.h"
#include "core/files.h"
#include "core/hash.h"

namespace sublab {
namespace question_files {

constexpr const char* kLayouts =
    "; SQuAD's is {\"data\": [{\"paragraphs\": [{\"context\", \"qas\"}]}]}, HotpotQA's "
    "[{\"question\", \"answer\", \"context\", \"supporting_facts\"}]";

class Collector {
 public:
  size_t document(const std::string& text) {
    const auto [at, fresh] = places_.emplace(text, out.documents.size());
    if (fresh) out.documents.push_back(text);
    return at->second;
  }

  void add_squad(const json& file) {
    for (const json& article : file.at("data"))
      for (const json& paragraph : article.at("paragraphs")) {
        const size_t place = document(paragraph.at("context").get<std::string>());
        for (const json& qa : paragraph.at("qas")) {
          DocumentQuestion question{qa.at("question").get<std::string>(), {}, {place}};
          for (const json& answer : qa.at("answers"))
            question.answers.push_back(answer.at("text").get<std::string>());
          if (!question.answers.empty()) out.questions.push_back(std::move(question));
        }
      }
  }

  void add_hotpotqa(const json& file) {
    for (const json& item : file) {
      DocumentQuestion question{
          item.at("question").get<std::string>(), {item.at("answer").get<std::string>()}, {}};
      std::map<std::string, size_t> by_title;
      for (const json& context : item.at("context")) {
        const auto title = context.at(0).get<std::string>();
        std::string text = title + "\n";
        for (const json& sentence : context.at(1)) text += sentence.get<std::string>();
        by_title[title] = document(text);
      }
      for (const json& fact : item.at("supporting_facts")) {
        const size_t place = by_title.at(fact.at(0).get<std::string>());
        if (std::find(question.documents.begin(), question.documents.end(), place) ==
            question.documents.end())
          question.documents.push_back(place);
      }
      out.questions.push_back(std::move(question));
    }
  }

  QuestionFiles out;

 private:
  std::map<std::string, size_t> places_;
};

std::vector<fs::path> files_of(const std::string& path, const std::string& where) {
  if (!fs::exists(path)) throw UserError(where, "there is no file or folder '" + path + "'");
  if (!fs::is_directory(path)) return {path};
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(path))
    if (entry.path().extension() == ".json") out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  if (out.empty()) throw UserError(where, "'" + path + "' holds no .json file");
  return out;
}

}  // namespace question_files

QuestionFiles read_question_files(const std::string& path, const std::string& where) {
  using namespace question_files;
  Collector collector;
  std::string hashes;
  for (const fs::path& file : files_of(path, where)) {
    const std::string text = read_file(file);
    hashes += sha256_hex(text);
    const json content = parse_json(text, file.string());
    try {
      if (content.is_object())
        collector.add_squad(content);
      else
        collector.add_hotpotqa(content);
    } catch (const std::exception& problem) {  // of nlohmann, or of a title that has no text
      throw UserError(where, file.string() + " has neither SQuAD's layout nor HotpotQA's (" +
                                 problem.what() + ")" + kLayouts);
    }
  }
  if (collector.out.questions.empty())
    throw UserError(where, "'" + path + "' holds no question that has an answer" + kLayouts);
  collector.out.content = short_hash(hashes);
  return std::move(collector.out);
}

}  // namespace sublab

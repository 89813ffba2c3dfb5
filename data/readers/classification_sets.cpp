// The table of the sets, their reader and their prompts (data/readers/classification_sets.h).
#include "data/readers/classification_sets.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "data/text_scores.h"

namespace sublab {

const std::vector<ClassificationSet>& classification_sets() {
  const std::vector<std::string> one = {"text"}, two = {"title", "content"};
  const std::vector<std::string> negative_first = {"negative", "positive"};
  const auto titled = [&](const char* name, const char* after, std::vector<std::string> labels,
                          int64_t max_tokens) {
    return ClassificationSet{.name = name,
                             .file = name,
                             .keys = two,
                             .before = "Title: ",
                             .between = ". Content: ",
                             .after = after,
                             .after_last = "",
                             .end = "\n\n",
                             .labels = std::move(labels),
                             .max_tokens = max_tokens};
  };
  const auto plain = [&](const char* name, const char* file, const char* before, const char* after,
                         std::vector<std::string> labels, int64_t max_tokens) {
    return ClassificationSet{.name = name,
                             .file = file,
                             .keys = one,
                             .before = before,
                             .between = "",
                             .after = after,
                             .after_last = "",
                             .end = "\n\n",
                             .labels = std::move(labels),
                             .max_tokens = max_tokens};
  };
  static const std::vector<ClassificationSet> sets = [&] {
    std::vector<ClassificationSet> out = {
        plain("agnews", "ag_news",
              "Article: ", " Category:", {"world", "sports", "business", "science"}, 4),
        titled("amazon", " Sentiment:", negative_first, 3),
        titled("dbpedia", "\nCategory:",
               {"Company", "EducationalInstitution", "Artist", "Athlete", "OfficeHolder",
                "MeanOfTransportation", "Building", "NaturalPlace", "Village", "Animal", "Plant",
                "Album", "Film", "WrittenWork"},
               8),
        plain("yelp", "yelp", "text: ", " sentiment:", negative_first, 3),
        // Label 0 is positive in this one.
        plain("sst2", "sst2", "text: ", " sentiment:", {"positive", "negative"}, 3),
        plain("tweet_hate", "tweet_hate", "Text: ", "\nLabel:", {"Non-hate", "Hate"}, 6)};
    out.back().after_last = " Label:";  // of the published prompt, unlike its examples
    out.back().end = "\n";
    return out;
  }();
  return sets;
}

const ClassificationSet& classification_set(const std::string& name, const std::string& where) {
  std::vector<std::string> known;
  for (const ClassificationSet& each : classification_sets()) {
    if (each.name == name) return each;
    known.push_back(each.name);
  }
  throw_unknown_name(where, "classification set", name, known);
}

namespace classification {

std::vector<LabelledText> read(DataFiles& files, const ClassificationSet& set,
                               const std::string& name) {
  std::vector<LabelledText> out;
  for (const JsonLine& line :
       files.read_json_lines(name, "lines of {\"" + join(set.keys, "\", \"") + "\", \"label\"}")) {
    LabelledText text;
    for (const std::string& key : set.keys)
      text.texts.push_back(text_scores::stripped(files.text_of(line, key, name)));
    const json label = line.value.value("label", json());
    text.label = label.is_number_integer() ? label.get<int64_t>() : -1;
    if (text.label < 0 || text.label >= static_cast<int64_t>(set.labels.size()))
      files.refuse(name, line.line,
                   "has the label " + label.dump() + "; expected 0 to " +
                       std::to_string(set.labels.size() - 1) + " (" + join(set.labels) + ")");
    out.push_back(std::move(text));
  }
  return out;
}

std::string text_with(const ClassificationSet& set, const LabelledText& text,
                      const std::string& after) {
  return set.before + join(text.texts, set.between) + after;
}

}  // namespace classification

ClassificationData read_classification(DataFiles& files, const ClassificationSet& set) {
  const std::string test = set.file + "_test.jsonl";
  const std::string found = files.first_of({test, "eval_data/" + test});
  const std::string root = found.empty() ? "" : found.substr(0, found.size() - test.size());
  return {&set, classification::read(files, set, root + set.file + "_train.jsonl"),
          classification::read(files, set, root + test)};
}

std::vector<size_t> numpy_shuffled(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<size_t> out(n);
  std::iota(out.begin(), out.end(), 0);
  for (size_t i = n; i-- > 1;) {
    // The first number below the next power of two that is at most i.
    uint32_t mask = static_cast<uint32_t>(i);
    for (const int shift : {1, 2, 4, 8, 16}) mask |= mask >> shift;
    uint32_t j = 0;
    do j = static_cast<uint32_t>(random()) & mask;
    while (j > i);
    std::swap(out[i], out[j]);
  }
  return out;
}

std::vector<LabelledText> demonstrations(const ClassificationData& data, int64_t n, uint32_t seed) {
  const auto order = numpy_shuffled(data.train.size(), seed);
  std::vector<LabelledText> out;
  for (size_t i = 0; i < std::min(order.size(), static_cast<size_t>(n)); ++i)
    out.push_back(data.train[order[i]]);
  return out;
}

std::string classification_examples(const ClassificationSet& set,
                                    const std::vector<LabelledText>& examples) {
  std::string out;
  for (const LabelledText& example : examples)
    out += classification::text_with(set, example, set.after) + " " +
           set.labels.at(static_cast<size_t>(example.label)) + set.end;
  return out;
}

std::string classification_question(const ClassificationSet& set, const LabelledText& asked) {
  return classification::text_with(set, asked, set.after_last.empty() ? set.after : set.after_last);
}

}  // namespace sublab

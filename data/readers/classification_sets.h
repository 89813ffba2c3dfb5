// The six classification sets of the few-shot evaluation that SUBLLM's authors published
// (XiaoMi/subllm, fewshot_eval): JSON lines with a label, prompts and names of labels.
#pragma once

#include <string>
#include <vector>

#include "data/readers/data_files.h"

namespace sublab {

/// How a set is asked.
struct ClassificationSet {
  std::string name;                    ///< "agnews"
  std::string file;                    ///< "ag_news": ag_news_train.jsonl and ag_news_test.jsonl
  std::vector<std::string> keys;       ///< of a line, in the order of the prompt
  std::string before, between, after;  ///< its text stands among these: before TEXT after, or
                                       ///< before TITLE between CONTENT after
  std::string after_last;  ///< in the place of `after` in the question itself; "" = `after`
  std::string end;         ///< behind the label of an example
  std::vector<std::string> labels;
  int64_t max_tokens = 0;  ///< of the answer
};

/// In the order of the published list.
const std::vector<ClassificationSet>& classification_sets();
/// Throws UserError at `where`.
const ClassificationSet& classification_set(const std::string& name, const std::string& where);

struct LabelledText {
  std::vector<std::string> texts;  ///< of the set's keys
  int64_t label = 0;
};

struct ClassificationData {
  const ClassificationSet* set = nullptr;
  std::vector<LabelledText> train, test;
};

/// FILE_train.jsonl and FILE_test.jsonl of lines {"text", "label"} (or "title", "content" and
/// "label", as the set's keys say) in the folder or in its `eval_data`.
ClassificationData read_classification(DataFiles& files, const ClassificationSet& set);

/// `n` texts of the train part, drawn by `seed` as numpy.random.RandomState(seed).shuffle draws
/// them, so that they are those of the published evaluation.
std::vector<LabelledText> demonstrations(const ClassificationData& data, int64_t n, uint32_t seed);

/// Examples with their labels; the text that is asked about stands behind them.
std::string classification_examples(const ClassificationSet& set,
                                    const std::vector<LabelledText>& examples);
std::string classification_question(const ClassificationSet& set, const LabelledText& asked);

/// The order that numpy.random.RandomState(seed).shuffle gives n items: out[i] is the item that
/// comes to stand at i.
std::vector<size_t> numpy_shuffled(size_t n, uint32_t seed);

}  // namespace sublab

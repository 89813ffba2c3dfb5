// LongBench as it is published (arXiv:2308.14508): JSON lines, prompts, lengths of answers, scores.
#pragma once

#include <string>
#include <vector>

#include "data/readers/data_files.h"

namespace sublab {

enum class LongBenchScore {
  answer_f1,       ///< F1 of words of normalised answers
  answer_f1_zh,    ///< the same of Chinese characters (the benchmark cuts words with jieba)
  rouge_l,         ///< F of ROUGE-L over sentences
  rouge_l_zh,      ///< the same of Chinese characters
  classification,  ///< 1 / classes that the answer names, where the right one is among them
  retrieval,       ///< share of the answer's numbers that are the paragraph's
  count,           ///< share of the answer's numbers that are the right one
  code             ///< edit similarity of the answer's first line of code
};

struct LongBenchSet {
  std::string name;
  std::string prompt;  ///< with {context} and {input}
  int64_t max_tokens = 0;
  LongBenchScore score = LongBenchScore::answer_f1;
  bool first_line = false;  ///< of the answer counts alone
};

/// In the order of the published table.
const std::vector<LongBenchSet>& longbench_sets();

struct LongBenchItem {
  std::string input, context;
  std::vector<std::string> answers, classes;
  int64_t length = 0;  ///< words, or characters of Chinese, as the benchmark counts
};

struct LongBenchData {
  const LongBenchSet* set = nullptr;
  std::vector<LongBenchItem> items;
};

/// NAME.jsonl of these datasets (empty = all that are there) in the folder or its `data`;
/// NAME_e.jsonl with `even`, whose lengths are spread evenly (LongBench-E).
std::vector<LongBenchData> read_longbench(DataFiles& files, const std::vector<std::string>& names,
                                          bool even, const std::string& where);

/// What stands up to the end of the context, and what stands behind it.
struct LongBenchPrompt {
  std::string context, question;
};
LongBenchPrompt longbench_prompt(const LongBenchSet& set, const LongBenchItem& item);

/// The best score over the references, 0 to 1.
double longbench_score(const LongBenchSet& set, const LongBenchItem& item, std::string answer);

/// "0-4k", "4-8k" or "8k+".
std::string longbench_bucket(int64_t length);

}  // namespace sublab

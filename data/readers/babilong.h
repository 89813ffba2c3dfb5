// BABILong as it is published (arXiv:2406.10149): facts of bAbI hidden in the text of books, at
// many lengths; prompts and the way answers are compared.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "data/readers/data_files.h"

namespace sublab {

struct BabiLongTask {
  std::string name;  ///< "qa1"
  std::string instruction, examples, answer_form;
  std::vector<std::string> labels;  ///< the answers that there are, in lower case
};

/// qa1 to qa10, which the benchmark has at every length.
const std::vector<BabiLongTask>& babilong_tasks();

struct BabiLongItem {
  std::string input, question, target;
  std::optional<double> depth;  ///< of the fact in the text, 0 to 1, where the data say it
};

struct BabiLongData {
  const BabiLongTask* task = nullptr;
  std::string length;  ///< "4k", as the benchmark calls it
  std::vector<BabiLongItem> items;
};

/// TASK/LENGTH.json (a list, or a line each) of {"input", "question", "target"}, in the folder or
/// its `data`, of these tasks and lengths (empty = all that are there). An item may say its
/// "depth".
std::vector<BabiLongData> read_babilong(DataFiles& files, const std::vector<std::string>& tasks,
                                        const std::vector<std::string>& lengths,
                                        const std::string& where);

/// The published template: instruction, examples, form of the answer, context, question. Without
/// `whole` context and question alone.
struct BabiLongPrompt {
  std::string context, question;
};
BabiLongPrompt babilong_prompt(const BabiLongTask& task, const BabiLongItem& item, bool whole);

/// Whether the first sentence of `answer` names the target and no other label, those of the
/// question aside.
bool babilong_is_right(const BabiLongTask& task, const BabiLongItem& item,
                       const std::string& answer);

/// Tokens that a length stands for: 4096 of "4k", 0 of "0k"; -1 where it is none.
int64_t babilong_length(const std::string& name);

}  // namespace sublab

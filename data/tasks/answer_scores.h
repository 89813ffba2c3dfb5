// How published tasks score an answer in words. All give 0 to 1.
#pragma once

#include <string>
#include <vector>

namespace sublab {

/// 1 where the first run of digits in `answer` is the number references[0] (passkey of
/// arXiv:2309.00071).
double first_integer_score(const std::vector<std::string>& references, const std::string& answer);

/// The share of the references that `answer` contains, whatever their case (RULER's
/// string_match_all).
double match_all_score(const std::vector<std::string>& references, const std::string& answer);

/// 1 where `answer` contains any of them, whatever their case (RULER's string_match_part).
double match_part_score(const std::vector<std::string>& references, const std::string& answer);

/// The share of the different words of references[0] that are among the answer's, lower case, words
/// between blanks (the plotting script of arXiv:2402.10171, which divides by all words, one that is
/// repeated twice, so that its best is 11 / 12).
double word_recall_score(const std::vector<std::string>& references, const std::string& answer);

/// ROUGE-1 F of the answer against references[0]: words are runs of letters and digits, counted
/// with repeats (the tester of arXiv:2402.10171, which multiplies it by 10).
double rouge1_score(const std::string& reference, const std::string& answer);

}  // namespace sublab

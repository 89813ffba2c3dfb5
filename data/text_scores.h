// What an answer in words is worth beside a right one: the definitions that benchmarks of
// questions, summaries and code use. Text is UTF-8; only A to Z have a lower case here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sublab::text_scores {

using Words = std::vector<std::string>;

/// Parts between white space.
Words words(std::string_view text);
/// Characters of UTF-8; a byte that belongs to none stands alone.
Words characters(std::string_view text);
/// Lower case of A to Z.
std::string lower_case(std::string_view text);
/// Without white space at both ends.
std::string stripped(std::string_view text);

/// As SQuAD's evaluation compares answers (arXiv:1606.05250): lower case, without ASCII
/// punctuation, without the words a, an and the, with single blanks.
std::string normalised_answer(std::string_view text);
/// As LongBench compares Chinese ones: lower case, without white space, ASCII and Chinese
/// punctuation.
std::string normalised_chinese_answer(std::string_view text);

/// Whether both are the same when normalised.
bool exact_match(std::string_view answer, std::string_view reference);

/// Harmonic mean of the shares of `answer` and of `reference` that both have, each part as often as
/// both have it; 0 where they share nothing.
double overlap_f1(const Words& answer, const Words& reference);
/// The same of the words of normalised answers: F1 of SQuAD.
double answer_f1(std::string_view answer, std::string_view reference);
/// F of ROUGE-1 (Lin 2004): of words as they stand.
double rouge_1(std::string_view answer, std::string_view reference);
/// F of ROUGE-L (Lin 2004): 2 LCS / (words of both), LCS their longest common subsequence.
double rouge_l(std::string_view answer, std::string_view reference);
/// F of ROUGE-L over sentences as the Python package `rouge` 1.0.1 has it, which LongBench takes:
/// text is cut at full stops, each sentence of the reference is held against each of the answer's,
/// and words count once however often they stand there.
double rouge_l_of_sentences(std::string_view answer, std::string_view reference);
/// 2 LCS / (characters of both), rounded to hundredths as fuzz.ratio (with python-Levenshtein) is.
double edit_similarity(std::string_view answer, std::string_view reference);

}  // namespace sublab::text_scores

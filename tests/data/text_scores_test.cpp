// Scores of answers against values worked out by hand, and against what the Python packages that
// the benchmarks take print.
#include "data/text_scores.h"

#include <catch2/catch.hpp>

#include "data/readers/math_answers.h"

using namespace sublab;
using namespace sublab::text_scores;

TEST_CASE("answers are normalised as SQuAD's evaluation does", "[unit][context]") {
  CHECK(normalised_answer("  The  Cat's  mat. ") == "cats mat");
  CHECK(normalised_answer("A an THE") == "");
  CHECK(normalised_answer("theory of an-other") == "theory of another");
  CHECK(exact_match("the U.S.", "us"));
  CHECK_FALSE(exact_match("us of a", "us off"));
  // The published list lacks the opening mark.
  CHECK(normalised_chinese_answer("《红楼梦》， A b。\u3000好！") == "《红楼梦ab好");
}

TEST_CASE("F1 counts each word as often as both have it", "[unit][context]") {
  CHECK(answer_f1("Ann Lee", "Ann Lee") == 1);
  // 2 of 3 words of the answer, 2 of 2 of the reference.
  CHECK(answer_f1("by Ann Lee", "the Ann Lee") == Approx(0.8));
  // "b" is shared twice, though the answer has it three times: 2 * 3 / (5 + 4).
  CHECK(overlap_f1({"b", "b", "b", "c", "d"}, {"b", "b", "c", "x"}) == Approx(2.0 * 3 / 9));
  CHECK(answer_f1("", "x") == 0);
  CHECK(answer_f1("the", "a") == 0);
}

TEST_CASE("ROUGE-1 and ROUGE-L of words as they stand", "[unit][context]") {
  // Lin 2004, section 3.1: "police killed the gunman" against two candidates, LCS 3 and 2 of 4.
  CHECK(rouge_l("police kill the gunman", "police killed the gunman") == Approx(0.75));
  CHECK(rouge_l("the gunman kill police", "police killed the gunman") == Approx(0.5));
  CHECK(rouge_1("the gunman kill police", "police killed the gunman") == Approx(0.75));
  CHECK(rouge_l("a b c d e", "a c e g") == Approx(2.0 * 3 / 9));
  CHECK(rouge_l("", "a") == 0);
}

TEST_CASE("ROUGE-L over sentences is that of the package rouge 1.0.1", "[unit][context]") {
  // Values that the package printed; it adds 1e-8 to a divisor.
  const auto close = [](double value) { return Approx(value).epsilon(1e-7); };
  CHECK(rouge_l_of_sentences("the cat sat on the mat. it slept",
                             "the cat lay on a mat. the dog slept. it was late") ==
        close(0.6666666619135801));
  CHECK(rouge_l_of_sentences("w1 w2 w6 w7 w8. w1 w3 w8 w9 w5", "w1 w2 w3 w4 w5") ==
        close(0.6153846106508877));
  CHECK(rouge_l_of_sentences("the the the", "the") == close(0.999999995));
  CHECK(rouge_l_of_sentences(" . x", "x. y") == close(0.4999999950000001));
  CHECK(rouge_l_of_sentences(
            "transcript is a written version of each day 's cnn student",
            "this page includes the show transcript use the transcript to help students with") ==
        close(0.09090908590909119));
  CHECK(rouge_l_of_sentences("...", "a") == 0);
}

TEST_CASE("edit similarity is of characters, in hundredths", "[unit][context]") {
  // LCS "return x" of 8 among 9 and 8 characters: 16 / 17.
  CHECK(edit_similarity("return xy", "return x") == Approx(0.94));
  CHECK(edit_similarity("abcd", "abcd") == 1);
  CHECK(edit_similarity("", "") == 0);
  CHECK(edit_similarity("é", "e") == 0);
  CHECK(characters("aé好").size() == 3);
}

TEST_CASE("answers in LaTeX are the same after simple rewriting", "[unit][context]") {
  for (const auto& [a, b] :
       std::vector<std::pair<std::string, std::string>>{{"\\frac12", "\\frac{1}{2}"},
                                                        {"1/2", "\\dfrac{1}{2}"},
                                                        {"0.5", "\\frac{1}{2}"},
                                                        {".5", "0.5"},
                                                        {"\\sqrt3", "\\sqrt{3}"},
                                                        {"k = 3", "3"},
                                                        {"10\\%", "10"},
                                                        {"3\\text{ cm}", "3"},
                                                        {"90^\\circ", "90"},
                                                        {"\\left(1, 2\\right)", "(1,2)"},
                                                        {"\\frac1{72}", "\\frac{1}{72}"}}) {
    INFO(a << " and " << b);
    CHECK(is_same_mathematics(a, b));
  }
  CHECK_FALSE(is_same_mathematics("2", "3"));
  CHECK_FALSE(is_same_mathematics("x = y = 2", "2"));
  CHECK(is_same_mathematics("\\sqrt", "\\sqrt"));  // as they stand
}

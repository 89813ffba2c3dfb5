// Labelled rows of tasks over long contexts, scores of answers in words, and files of questions.
#include <catch2/catch.hpp>
#include <map>

#include "data/tasks/answer_scores.h"
#include "data/tasks/context_tasks.h"
#include "data/tasks/induction_rows.h"
#include "data/tasks/question_files.h"
#include "data/tasks/recall_rows.h"
#include "data/tasks/selective_copy_rows.h"
#include "tests/temporary_folder.h"

using namespace sublab;
using Catch::Contains;

namespace sublab {
RowMaker recall_rows_maker();
}

TEST_CASE("induction and selective copying as they are defined", "[unit][context]") {
  const InductionRows induction({}, 64, 1, "induction/train");
  for (int64_t i = 0; i < 200; ++i) {
    const TokenRow row = induction.row(i);
    REQUIRE(row.tokens.size() == 64);
    CHECK(std::count(row.tokens.begin(), row.tokens.end(), 16) == 2);
    const auto at = std::find(row.tokens.begin(), row.tokens.end(), 16);
    CHECK(row.tokens.back() == 16);
    CHECK(row.labels.back() == *(at + 1));
    CHECK(*(at + 1) < 16);
    CHECK(std::count_if(row.labels.begin(), row.labels.end(), [](int64_t l) { return l >= 0; }) ==
          1);
  }
  const SelectiveCopyRows copying({}, 48, 1, "selective_copy/train");
  for (int64_t i = 0; i < 50; ++i) {
    const TokenRow row = copying.row(i);
    REQUIRE(row.tokens.size() == 48);
    std::vector<int64_t> said, stood;
    for (size_t t = 0; t < 48; ++t) {
      if (row.labels[t] >= 0) said.push_back(row.labels[t]);
      if (row.tokens[t] > 0 && row.tokens[t] < 15) stood.push_back(row.tokens[t]);
      if (t >= 32) CHECK(row.tokens[t] == 15);
    }
    CHECK(said == stood);
    CHECK(said.size() == 16);
  }
  CHECK(InductionRows({}, 64, 1, "induction/evaluate").row(0).tokens != induction.row(0).tokens);
}

TEST_CASE("answers in words are scored as published", "[unit][context]") {
  CHECK(first_integer_score({"472"}, " is 472, not 9") == 1);
  CHECK(first_integer_score({"472"}, " 0472.") == 1);
  CHECK(first_integer_score({"472"}, " 4729") == 0);
  CHECK(first_integer_score({"472"}, " 1 472") == 0);
  CHECK(first_integer_score({"472"}, "none") == 0);
  CHECK(match_all_score({"Ab", "cd", "e", "f"}, "x AB cd") == 0.5);
  CHECK(match_part_score({"Ab", "cd"}, "x CD") == 1);
  CHECK(match_part_score({"Ab", "cd"}, "x") == 0);
  CHECK(word_recall_score({"eat a sandwich and sit"}, "Eat a Sandwich.") == 2.0 / 5);
  CHECK(rouge1_score("a b b c", "b c d") == Approx(2.0 * 2 / 7));
  CHECK(rouge1_score("a b", "") == 0);
}

TEST_CASE("recall by a power law asks each key once, and fills with no stated key",
          "[unit][context]") {
  const RecallRows rows(128, 8, 1, "recall/train", 0.01);
  double gaps = 0;
  for (int64_t i = 0; i < 100; ++i) {
    const TokenRow row = rows.row(i);
    REQUIRE(row.tokens.size() == 128);
    std::map<int64_t, int64_t> stated, asked;
    const auto roles = rows.roles_of(row);
    for (size_t t = 0; t < 16; t += 2) stated[row.tokens[t]] = row.tokens[t + 1];
    REQUIRE(stated.size() == 8);
    for (size_t t = 16; t < 128; t += 2) {
      if (row.labels[t] >= 0) {
        CHECK(stated.at(row.tokens[t]) == row.labels[t]);
        CHECK(row.tokens[t + 1] == row.labels[t]);
        CHECK(roles[t] == 0);
        CHECK(roles[t + 1] == 3);
        ++asked[row.tokens[t]];
        gaps += static_cast<double>(t - 16) / 800;
        continue;
      }
      CHECK(roles[t] == 4);
      for (const size_t each : {t, t + 1}) {
        CHECK(!stated.contains(row.tokens[each]));
        CHECK(row.tokens[each] < RecallRows::kSymbols);
        CHECK(row.hints[each] == 0);
      }
    }
    CHECK(asked.size() == 8);
    for (const auto& [key, n] : asked) CHECK(n == 1);
  }
  CHECK(gaps < 45);  // uniform gaps would have 55 in the mean
  CHECK_THROWS_WITH(RecallRows::check_room(8, 31, "a length of", "w", 0.01),
                    Contains("w/n_pairs") && Contains("that takes 32"));
  CHECK_THROWS_WITH(RecallRows::check_room(64, 512, "a length of", "w", 0.01),
                    Contains("no symbol to fill gaps"));
  const RowMaker maker = recall_rows_maker();
  CHECK(!maker.resolve({{"task", "recall"}}, "w", 64).contains("power_a"));
  CHECK(maker.resolve({{"task", "recall"}, {"power_a", 0.01}}, "w", 64).at("power_a") == 0.01);
}

TEST_CASE("questions about documents are read as SQuAD and HotpotQA publish them",
          "[unit][context]") {
  const TemporaryFolder folder;
  const fs::path squad = folder.path / "squad.json", hotpot = folder.path / "hotpot.json";
  json paragraphs = json::array();
  for (int i = 0; i < 12; ++i)
    paragraphs.push_back(
        {{"context", "Town " + std::to_string(i) + " lies at the river " + std::string(i + 1, 'r')},
         {"qas",
          {{{"question", "Where lies town " + std::to_string(i) + "?"},
            {"answers", {{{"text", "the river " + std::string(i + 1, 'r')}}}}},
           {{"question", "Who knows?"}, {"answers", json::array()}}}}});
  write_file_durably(squad, json{{"data", {{{"paragraphs", paragraphs}}}}}.dump());
  write_file_durably(hotpot,
                     R"([{"question": "Which?", "answer": "b2",
                          "context": [["A", ["a1. ", "a2."]], ["B", ["b1. ", "b2."]]],
                          "supporting_facts": [["B", 1], ["B", 0]]}])");
  const QuestionFiles read = read_question_files(squad.string(), "w");
  CHECK(read.documents.size() == 12);
  CHECK(read.questions.size() == 12);  // what cannot be answered is left out
  const QuestionFiles other = read_question_files(hotpot.string(), "w");
  REQUIRE(other.questions.size() == 1);
  CHECK(other.documents.at(other.questions[0].documents.at(0)) == "B\nb1. b2.");
  CHECK(other.questions[0].documents.size() == 1);
  CHECK(read_question_files(folder.path.string(), "w").questions.size() == 13);
  const auto bytes = bytes_tokenizer();
  const auto task = ruler_qa_context_task();
  const json settings = task.resolve({{"path", squad.string()}}, "w");
  CHECK(settings.at("content") == read.content);
  CHECK_THROWS_WITH(task.resolve({{"path", squad.string()}, {"content", "0"}}, "w"),
                    Contains("w/content") && Contains("has changed"));
  const auto maker = task.maker(settings, {*bytes});
  RandomSequence random(1, "test");
  for (int i = 0; i < 8; ++i) {
    const Prompt prompt = maker->make(random, {.length = 700, .answer_room = 32});
    CHECK(static_cast<int64_t>(prompt.ids.size()) + prompt.max_tokens <= 700);
    CHECK(prompt.context.find(prompt.references.front()) != std::string::npos);
    CHECK(prompt.context.find("Document 3: ") != std::string::npos);
  }
  CHECK_THROWS_WITH(make_prompt(*maker, random, {.length = 200}, "ruler_qa", "w"),
                    Contains("w: 200 tokens hold no prompt of ruler_qa"));
}

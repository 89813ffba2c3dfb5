// Generators of tasks over long contexts: answerable, places right, lengths kept, streams apart.
#include "data/tasks/context_tasks.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "data/corpus.h"
#include "data/tasks/answer_scores.h"
#include "data/tasks/induction_rows.h"
#include "data/tasks/selective_copy_rows.h"
#include "data/tasks/word_vocabulary.h"
#include "tests/temporary_folder.h"

using namespace sublab;
using Catch::Contains;

namespace {

struct Case {
  ContextTask task;
  json settings = json::object();
  int64_t length;  ///< that holds a prompt in bytes and in words
};

std::vector<Case> cases() {
  const json small = {{"n_common", 3}, {"common_times", 6}, {"other_times", 2}};
  return {{passkey_context_task(), json::object(), 600},
          {needle_context_task(), {{"haystack", "noise"}}, 700},
          {ruler_niah_single_context_task(), json::object(), 900},
          {ruler_niah_single_context_task(), {{"values", "uuids"}}, 900},
          {ruler_niah_multikey_context_task(), json::object(), 1200},
          {ruler_niah_multikey_context_task(), {{"haystack", "needles"}}, 1500},
          {ruler_niah_multikey_context_task(),
           {{"haystack", "needles"}, {"keys", "uuids"}, {"values", "uuids"}},
           2500},
          {ruler_niah_multivalue_context_task(), json::object(), 1200},
          {ruler_niah_multiquery_context_task(), json::object(), 1400},
          {ruler_vt_context_task(), json::object(), 900},
          {ruler_cwe_context_task(), small, 1200},
          {ruler_fwe_context_task(), json::object(), 1600}};
}

std::string text_of(const Prompt& prompt) { return prompt.context + prompt.question; }

/// The ids are those of the whole text, behind the boundary.
void check_ids(const Prompt& prompt, const Tokenizer& tokenizer) {
  std::vector<int64_t> whole = {tokenizer.boundary_id()};
  for (const int32_t id : tokenizer.encode(text_of(prompt))) whole.push_back(id);
  CHECK(prompt.ids == whole);
  REQUIRE(prompt.hints.size() == prompt.ids.size());
}

void check_prompt(const Case& each, const Prompt& prompt, const Tokenizer& tokenizer,
                  int64_t slack) {
  check_ids(prompt, tokenizer);
  const auto length = static_cast<int64_t>(prompt.ids.size()) + prompt.max_tokens;
  CHECK(length <= each.length);
  CHECK(length > each.length - slack);
  REQUIRE(!prompt.references.empty());
  CHECK(each.task.score(prompt.references, prompt.answer) == 1);  // what is taught is right
  CHECK(each.task.score(prompt.references, "") == 0);
  // Whoever reads the context can answer.
  for (const std::string& reference : prompt.references)
    CHECK(prompt.context.find(reference) != std::string::npos);
  if (prompt.answer_place < 0) return;
  const std::vector<int32_t> behind(prompt.ids.begin() + prompt.answer_place, prompt.ids.end());
  CHECK(tokenizer.decode(behind).starts_with(" " + prompt.references.front()));
  CHECK(prompt.hints[static_cast<size_t>(prompt.answer_place)] == 1);
}

}  // namespace

TEST_CASE("prompts of every task are answerable and of the asked length", "[unit][context]") {
  for (const Case& each : cases()) {
    INFO(each.task.name << " " << each.settings.dump());
    const json settings = each.task.resolve(each.settings, "");
    const auto bytes = bytes_tokenizer();
    const auto maker = each.task.maker(settings, {*bytes});
    RandomSequence random(3, "test");
    for (const double depth : {0.0, 0.3, 1.0})
      check_prompt(each,
                   maker->make(random, {.length = each.length, .answer_room = 20, .depth = depth}),
                   *bytes, 120);
    if (!each.task.vocabulary) continue;
    const auto words = each.task.vocabulary();
    const auto own = each.task.maker(settings, {*words});
    // Filler is cut to the word; lists and needles of uuids end where the next one would not fit.
    const bool lists = each.task.name == "ruler_cwe" || each.task.name == "ruler_fwe";
    const bool uuids = settings.value("keys", "") == "uuids";
    for (const double depth : {0.0, 0.5})
      check_prompt(each, own->make(random, {.length = each.length, .depth = depth}), *words,
                   lists   ? 30
                   : uuids ? 60
                           : 12);
  }
}

TEST_CASE("pieces of a prompt are cut where a trained tokenizer cuts them", "[unit][context]") {
  const TemporaryCache cache;
  CorpusManifest manifest;
  manifest.name = "mine";
  manifest.origin = "test";
  write_corpus(manifest, [&](const std::function<void(std::string)>& add) {
    RandomSequence random(1, "test");
    for (const Case& each : cases()) {  // whose wording it has seen
      const auto bytes = bytes_tokenizer();
      const auto maker = each.task.maker(each.task.resolve(each.settings, ""), {*bytes});
      for (int i = 0; i < 20; ++i)
        add(text_of(maker->make(random, {.length = each.length})) + " " + std::to_string(i));
    }
  });
  const auto tokenizer = make_tokenizer("sentencepiece:600", {"mine"}, 0, "t");
  RandomSequence random(4, "test");
  for (const Case& each : cases()) {
    INFO(each.task.name);
    const auto maker = each.task.maker(each.task.resolve(each.settings, ""), {*tokenizer});
    for (int i = 0; i < 5; ++i) {
      const Prompt prompt = maker->make(random, {.length = each.length, .answer_room = 20});
      const std::vector<int32_t> behind(prompt.ids.begin() + 1, prompt.ids.end());
      CHECK(tokenizer->text_of(behind) == text_of(prompt));
      // Over long texts SentencePiece rounds sums of scores otherwise.
      const auto whole = static_cast<double>(tokenizer->encode(text_of(prompt)).size());
      CHECK(static_cast<double>(behind.size()) == Approx(whole).epsilon(0.02));
    }
  }
}

TEST_CASE("a needle stands at its depth", "[unit][context]") {
  const auto task = passkey_context_task();
  const auto words = task.vocabulary();
  const auto maker = task.maker(task.resolve(json::object(), ""), {*words});
  RandomSequence random(5, "test");
  int64_t before = 0;
  for (const double depth : {0.0, 0.25, 0.5, 0.75, 1.0}) {
    const Prompt prompt = maker->make(random, {.length = 1000, .depth = depth});
    CHECK(prompt.depth == depth);
    const double filler = 1000 - 70;  // about
    CHECK(std::abs(static_cast<double>(prompt.answer_place) - 30 - depth * filler) < 45);
    CHECK(prompt.answer_place > before);
    before = prompt.answer_place;
  }
}

TEST_CASE("training rows teach the answer and nothing else", "[unit][context]") {
  for (const Case& each : cases()) {
    if (!each.task.vocabulary) continue;
    INFO(each.task.name);
    const RowMaker maker = context_rows(each.task);
    json given = each.settings;
    given["task"] = each.task.name;
    const json resolved = maker.resolve(given, "/data/train_on", each.length);
    const auto rows = maker.rows(resolved, each.length, 7),
               again = maker.rows(resolved, each.length, 7);
    const auto words = each.task.vocabulary();
    CHECK(rows->vocab_size() == words->vocab_size());
    std::set<std::vector<int64_t>> seen;
    for (int64_t i = 0; i < 4; ++i) {
      const TokenRow row = rows->row(i);
      CHECK(row.tokens == again->row(i).tokens);
      CHECK(static_cast<int64_t>(row.tokens.size()) <= each.length);
      REQUIRE(row.labels.size() == row.tokens.size());
      REQUIRE(row.hints.size() == row.tokens.size());
      std::vector<int32_t> answer;
      for (size_t t = 0; t < row.labels.size(); ++t) {
        if (row.labels[t] < 0) {
          CHECK(answer.empty());  // labels stand at the end, without gaps
          continue;
        }
        answer.push_back(static_cast<int32_t>(row.labels[t]));
        if (t + 1 < row.tokens.size()) CHECK(row.tokens[t + 1] == row.labels[t]);
      }
      REQUIRE(!answer.empty());
      CHECK(words->decode(answer).ends_with("."));
      seen.insert(row.tokens);
    }
    CHECK(seen.size() == 4);
    // Another seed, and the stream that evaluation asks from, make other rows.
    CHECK(!seen.contains(maker.rows(resolved, each.length, 8)->row(0).tokens));
    RandomSequence asked(
        stream_key(7, each.task.name + "/evaluate", static_cast<uint64_t>(each.length), 0));
    const json own = each.task.resolve(each.settings, "");
    const Prompt prompt =
        each.task.maker(own, {*words})->make(asked, {.length = each.length + 1, .depth = 0.5});
    for (const auto& row : seen)
      CHECK(!std::equal(
          prompt.ids.begin(), prompt.ids.end(), row.begin(),
          row.begin() + static_cast<std::ptrdiff_t>(std::min(row.size(), prompt.ids.size()))));
  }
}

TEST_CASE("what does not fit says what would", "[unit][context]") {
  const auto task = passkey_context_task();
  const RowMaker maker = context_rows(task);
  std::string problem;
  try {
    maker.resolve({{"task", "passkey"}}, "s/data/train_on", 40);
  } catch (const UserError& error) {
    problem = error.what();
  }
  CHECK_THAT(problem, Contains("s/data/train_on: data.context_len 40 holds no prompt of passkey "
                               "with its answer; that takes "));
  const int64_t least = std::stoll(problem.substr(problem.rfind(' ') + 1));
  CHECK_NOTHROW(maker.resolve({{"task", "passkey"}}, "s", least + 6));  // keys of fewer digits
  CHECK_THROWS_WITH(maker.resolve({{"task", "passkey"}, {"larges", 3}}, "s", 512),
                    Contains("s") && Contains("largest"));
  CHECK_THROWS_WITH(context_rows(ruler_niah_single_context_task())
                        .resolve({{"task", "ruler_niah_single"}, {"haystack", "essay"}}, "s", 512),
                    Contains("s/haystack: 'essay' is the text of a trial"));
  CHECK_THROWS_WITH(context_rows(ruler_niah_single_context_task())
                        .resolve({{"task", "ruler_niah_single"}, {"haystack", "esay"}}, "s", 512),
                    Contains("s/haystack") && Contains("essay"));
}

TEST_CASE("variables of a chain stand in its order", "[unit][context]") {
  const auto task = ruler_vt_context_task();
  const auto bytes = bytes_tokenizer();
  const auto maker = task.maker(task.resolve({{"n_chains", 3}}, ""), {*bytes});
  RandomSequence random(2, "test");
  const Prompt prompt = maker->make(random, {.length = 2000});
  REQUIRE(prompt.references.size() == 5);
  size_t before = 0;
  for (size_t i = 0; i < 5; ++i) {
    const std::string line = "VAR " + prompt.references[i] + " = " +
                             (i == 0 ? std::string() : "VAR " + prompt.references[i - 1]);
    const size_t at = prompt.context.find(line);
    REQUIRE(at != std::string::npos);
    CHECK(at >= before);
    before = at;
  }
}

TEST_CASE("common and frequent words are the most frequent ones", "[unit][context]") {
  const auto counted = [](const std::string& text) {
    std::map<std::string, int> out;
    size_t at = 0;
    while (at < text.size()) {
      const size_t end = std::min(text.find(' ', at), text.size());
      ++out[text.substr(at, end - at)];
      at = end + 1;
    }
    return out;
  };
  const auto bytes = bytes_tokenizer();
  RandomSequence random(2, "test");
  const auto common = ruler_cwe_context_task();
  const Prompt list =
      common.maker(common.resolve(json::object(), ""), {*bytes})->make(random, {.length = 12000});
  auto counts = counted(list.context);
  for (const std::string& word : list.references) CHECK(counts[word] == 30);
  for (const auto& [word, n] : counts)
    if (word.find('-') != std::string::npos && n != 30) CHECK(n <= 3);
  const auto frequent = ruler_fwe_context_task();
  const Prompt coded = frequent.maker(frequent.resolve(json::object(), ""), {*bytes})
                           ->make(random, {.length = 4096});
  counts = counted(coded.context.substr(coded.context.find("coded words. ") + 13));
  const int least = counts[coded.references[2]];
  for (const auto& [word, n] : counts)
    if (std::find(coded.references.begin(), coded.references.end(), word) == coded.references.end())
      CHECK((n < least || word == "..."));
  CHECK(counts["..."] > counts[coded.references[0]]);
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

// Data sets in the layouts that they are published in, and every mistake in them by file and line.
#include <catch2/catch.hpp>

#include "data/readers/agieval.h"
#include "data/readers/babilong.h"
#include "data/readers/bbh.h"
#include "data/readers/choice_questions.h"
#include "data/readers/classification_sets.h"
#include "data/readers/longbench.h"
#include "data/readers/python_literal.h"
#include "tests/temporary_folder.h"

using namespace sublab;
using Catch::Contains;

namespace {

const std::string kBenchmarks = std::string(SUBLAB_SOURCE_ROOT) + "/tests/data/benchmarks/";

/// A folder of files that a test writes.
struct Folder : TemporaryFolder {
  Folder& with(const std::string& name, const std::string& text) {
    write_file_durably(path / name, text);
    return *this;
  }
  DataFiles files() const { return DataFiles(path.string(), "/evaluate/0/folder"); }
};

void none(int64_t line, const std::string& what) { throw UserError(std::to_string(line), what); }

}  // namespace

TEST_CASE("csv has quoted fields, doubled quotes and line ends inside", "[unit][context]") {
  const auto records = parse_csv("a,\"b, \"\"c\"\"\nd\",\n\r\n\"x\",y z,\"\"\r\nlast,1,2", none);
  REQUIRE(records.size() == 3);
  CHECK(records[0].fields == std::vector<std::string>{"a", "b, \"c\"\nd", ""});
  CHECK(records[1].fields == std::vector<std::string>{"x", "y z", ""});
  CHECK(records[1].line == 4);
  CHECK(records[2].fields == std::vector<std::string>{"last", "1", "2"});
  CHECK(records[2].line == 5);
  CHECK_THROWS_WITH(parse_csv("a\nb,\"c\nd", none),
                    Contains("2: has a quote that is never closed"));
  CHECK_THROWS_WITH(parse_csv("\"a\" b", none), Contains("1: has text behind a closing quote"));
}

TEST_CASE("MMLU's folder and prompts are read as published", "[unit][context]") {
  ChoiceRules rules;
  rules.shots = 2;
  const ChoiceData data = read_choice_questions(kBenchmarks + "mmlu", "/folder", rules);
  REQUIRE(data.subjects.size() == 2);
  CHECK(data.n_questions() == 5);
  const ChoiceSubject& colours = data.subjects[0];
  CHECK(colours.name == "colour_theory");
  CHECK(colours.questions[0].question == "A rainbow shows \"pure\" colours, which begin with");
  CHECK(colours.questions[1].answer == 2);
  CHECK(choice_examples(colours, 1) + choice_prompt(colours.questions[2]) ==
        "The following are multiple choice questions (with answers) about  colour theory.\n\n"
        "Which colour do blue and yellow paint give?\nA. Red\nB. Green\nC. White\nD. Black\n"
        "Answer: B\n\n"
        "Which is green?\nA. Rose\nB. Sky\nC. Grass\nD. Coal\nAnswer:");
  rules.subjects = {"small_numbers"};
  rules.split = "validation";
  const ChoiceData one = read_choice_questions(kBenchmarks + "mmlu", "/folder", rules);
  REQUIRE(one.subjects.size() == 1);
  CHECK(one.subjects[0].questions[0].question == "Four less one is");
  CHECK(one.content != data.content);
  rules.subjects = {"small_number"};
  CHECK_THROWS_WITH(read_choice_questions(kBenchmarks + "mmlu", "/folder", rules),
                    Contains("unknown subject 'small_number'; did you mean 'small_numbers'?"));
  rules = {.shots = 4};
  CHECK_THROWS_WITH(read_choice_questions(kBenchmarks + "mmlu", "/folder", rules),
                    Contains("colour_theory_dev.csv: has 3 examples, fewer than 4 shots"));
}

TEST_CASE("JSON lines with choices take places, letters and texts for answers", "[unit][context]") {
  ChoiceRules rules;
  rules.shots = 2;
  const ChoiceData data =
      read_choice_questions(kBenchmarks + "own_choices.jsonl", "/folder", rules);
  REQUIRE(data.subjects.size() == 1);
  CHECK(data.subjects[0].examples[1].answer == 1);
  std::vector<int64_t> answers;
  for (const ChoiceQuestion& each : data.subjects[0].questions) answers.push_back(each.answer);
  CHECK(answers == std::vector<int64_t>{0, 1, 2});
  CHECK(choice_examples(data.subjects[0], 1) == "Ice is\nA. cold\nB. hot\nAnswer: A\n\n");
  Folder folder;
  const auto read = [&](const std::string& text) {
    folder.with("q.jsonl", text);
    return read_choice_questions((folder.path / "q.jsonl").string(), "/evaluate/0/folder",
                                 {.shots = 0});
  };
  const std::string good = R"({"question": "q", "choices": ["a", "b"], "answer": 1})";
  const std::string content = read(good).content;
  CHECK(read(good + "\n" + good).content != content);
  CHECK_THROWS_WITH(read(good + "\n{\"question\": "),
                    Contains("/evaluate/0/folder: ") && Contains("q.jsonl:2: is no JSON"));
  CHECK_THROWS_WITH(read(good + "\n\n[1]"), Contains("q.jsonl:3: expected an object, not array"));
  CHECK_THROWS_WITH(read(R"({"query": "q"})"),
                    Contains("q.jsonl:1: has no string \"question\"; its keys: query"));
  CHECK_THROWS_WITH(read(R"({"question": "q", "choices": ["a"], "answer": 0})"),
                    Contains("a list of 2 to 26 strings"));
  CHECK_THROWS_WITH(read(R"({"question": "q", "choices": ["a", "b"], "answer": "E"})"),
                    Contains("has the answer \"E\", none of its 2 choices"));
  CHECK_THROWS_WITH(read(R"({"question": "q", "choices": ["a", "b"], "answer": 2})"),
                    Contains("has the answer 2, none of its 2 choices"));
  CHECK_THROWS_WITH(read(" \n"), Contains("q.jsonl is empty; expected lines of"));
  CHECK_THROWS_WITH(read("\xff"), Contains("q.jsonl"));
  CHECK_THROWS_WITH(read_choice_questions((folder.path / "q.jsonl").string(), "/f", {.shots = 5}),
                    Contains("is empty") || Contains("UTF-8"));
}

TEST_CASE("a folder in another layout says what is expected", "[unit][context]") {
  Folder folder;
  folder.with("other.txt", "x");
  DataFiles files = folder.files();
  const std::string where = "/evaluate/0/folder";
  CHECK_THROWS_WITH(DataFiles("not/there", where),
                    Contains("/evaluate/0/folder: 'not/there' is not there"));
  CHECK_THROWS_WITH(DataFiles("", where), Contains("is empty; name the folder"));
  CHECK_THROWS_WITH(read_choice_questions(folder.path.string(), where, {}),
                    Contains("/evaluate/0/folder: holds no test/SUBJECT_test.csv"));
  CHECK_THROWS_WITH(read_bbh(files, {}, where), Contains("holds no bbh/TASK.json"));
  CHECK_THROWS_WITH(read_agieval(files, {}, 3, where), Contains("holds no TASK.jsonl"));
  CHECK_THROWS_WITH(read_classification(files, classification_sets()[0]),
                    Contains("ag_news_train.jsonl is not there"));
  CHECK_THROWS_WITH(read_longbench(files, {}, false, where), Contains("holds no DATASET.jsonl"));
  CHECK_THROWS_WITH(read_babilong(files, {}, {}, where), Contains("holds no TASK/LENGTH.json"));
  folder.with("test/x_test.csv", "a question,A\n").with("dev/x_dev.csv", "q,1,2,A\n");
  CHECK_THROWS_WITH(read_choice_questions(folder.path.string(), where, {.shots = 1}),
                    Contains("x_test.csv:1: has 2 fields"));
  folder.with("test/x_test.csv", "q,1,2,A\nq,1,2,C\n");
  CHECK_THROWS_WITH(read_choice_questions(folder.path.string(), where, {.shots = 1}),
                    Contains("x_test.csv:2: has the answer 'C', none of its choices A to B"));
}

TEST_CASE("BIG-Bench Hard: prompts and answers as published", "[unit][context]") {
  DataFiles files(kBenchmarks + "bbh", "/folder");
  const auto tasks = read_bbh(files, {}, "/folder");
  REQUIRE(tasks.size() == 2);
  CHECK(bbh_examples(tasks[0]) + bbh_question(tasks[0].questions[0]) ==
        "Follow the given examples and answer the question.\nEvaluate.\n\nQ: True is\n"
        "A: Let's think step by step.\nIt stands there. So the answer is True.\n\n"
        "Q:not True is\nA: Let's think step by step.");
  CHECK(bbh_answer("boolean_expressions", " x. So the answer is False.\n\nQ: the answer is T") ==
        "False");
  CHECK(bbh_answer("boolean_expressions", "True.\nmore") == "True");
  CHECK(bbh_answer("date_understanding", "So the answer is (B).\n\nQ: (A)") == "B");
  CHECK(bbh_answer("date_understanding", "so it is A, answer is c(D") == "D");
  CHECK(bbh_answer("date_understanding", "no letter.") == "no letter");
  CHECK(bbh_target("date_understanding", "(A)") == "A");
  CHECK(bbh_target("word_sorting", "a b") == "a b");
  CHECK_THROWS_WITH(read_bbh(files, {"date"}, "/f"), Contains("unknown task of BIG-Bench Hard"));
  Folder folder;
  folder.with("bbh/x.json", "{\"examples\": [{\"input\": 1}]}").with("cot-prompts/x.txt", "x");
  DataFiles own = folder.files();
  CHECK_THROWS_WITH(read_bbh(own, {}, ""), Contains("x.json: /examples/0 has no strings"));
  folder.with("bbh/x.json", "{\"examples\": [{\"input\": \"a\", \"target\": \"b\"}]}");
  CHECK_THROWS_WITH(read_bbh(own, {}, ""), Contains("x.txt: has no line \"-----\""));
}

TEST_CASE("AGIEval: examples in Python's writing become prompts", "[unit][context]") {
  DataFiles files(kBenchmarks + "agieval", "/folder");
  const auto tasks = read_agieval(files, {"sat-math", "math", "sat-en-without-passage"}, 2, "");
  REQUIRE(tasks.size() == 3);
  const AgiEvalQuestion& sat = tasks[0].questions[0];
  CHECK(sat.examples + sat.question ==
        "Here are the answers for the problems in the exam.\n"
        "Problem 1.    What is $1+1$?\nChoose from the following options:    (A)1 (B)2\n"
        "The answer is therefore B\n\n"
        "Problem 2.    What is $1+2$?\nChoose from the following options:    (A)3 (B)4\n"
        "The answer is therefore A\n\n"
        "Problem 3.    What is $2+1$?\nChoose from the following options:    (A)3 (B)5\n");
  CHECK(tasks[1].questions[0].examples + tasks[1].questions[0].question ==
        "Here are the answers for the problems in the exam.\n"
        "Problem 1.   What is $2+2$?\nThe answer is therefore 4\n\n"
        "Problem 2.   What is half of one?\n");
  CHECK_THAT(tasks[2].questions[0].examples,
             Contains("Problem 1.    When?") && !Contains("late\"."));
  CHECK_THAT(tasks[2].questions[0].question, !Contains("It was early"));
  CHECK(agieval_chance("sat-math", sat) == 0.5);
  const auto law = read_agieval(files, {"jec-qa-kd"}, 1, "").at(0);
  CHECK_THAT(law.questions[0].examples, Contains("答案是 ['A', 'B']\n"));
  CHECK(agieval_chance("jec-qa-kd", law.questions[0]) == Approx(1.0 / 7));
  DataFiles prepared(kBenchmarks + "agieval_prepared", "/folder");
  const auto ready = read_agieval(prepared, {}, 3, "").at(0);
  CHECK(ready.questions[0].examples.empty());
  CHECK(ready.questions[0].n_options == 3);
  CHECK(parse_python_literal("{'a': [1, -2.5, None], \"b\": ('x\\'y', True), }").value() ==
        json{{"a", {1, -2.5, nullptr}}, {"b", {"x'y", true}}});
  CHECK(parse_python_literal("'\\u00e9\\q'").value() == "é\\q");
  for (const char* wrong : {"{'a' 1}", "{1: 2}", "'a", "[1", "nan", "{} x", ""})
    CHECK_FALSE(parse_python_literal(wrong));
}

TEST_CASE("AGIEval: what a text answers", "[unit][context]") {
  const auto answer = [](const char* task, const char* text) {
    return join(agieval_answer(task, text), "");
  };
  CHECK(answer("sat-math", "The answer is therefore B\n\nProblem 3. D") == "B");
  CHECK(answer("sat-math", "Hmm. answer is \nCertainly D, answer is (E)") == "E");
  CHECK(answer("sat-math", "it is (C)") == "C");
  CHECK(answer("sat-math", "none") == "");
  CHECK(answer("logiqa-zh", "答案是 D") == "D");
  CHECK(answer("jec-qa-kd", "答案是 ['A', 'C']") == "AC");
  CHECK(agieval_is_right("jec-qa-kd", {"C", "A", "C"}, {"A", "C"}));
  CHECK_FALSE(agieval_is_right("jec-qa-kd", {"A"}, {"A", "C"}));
  CHECK(answer("math", "The answer is therefore $x = \\frac{1}{2}$") == "\\frac{1}{2}");
  CHECK(answer("math", "The answer is \\boxed{{3}}. ") == "{3}");
  CHECK(answer("math", "we get x = 7.") == "7");
  CHECK(answer("math", "about 3 or 4.25, at most 12a") == "4.25");
  CHECK(answer("gaokao-mathcloze", "答案是 12。") == "12");
  CHECK(agieval_is_right("math", {"1/2"}, {"\\frac{1}{2}"}));
  CHECK_FALSE(agieval_is_right("math", {}, {"2"}));
}

TEST_CASE("the classification sets draw the published demonstrations", "[unit][context]") {
  // numpy.random.RandomState(42).permutation(10).
  CHECK(numpy_shuffled(10, 42) == std::vector<size_t>{8, 1, 5, 0, 7, 2, 9, 4, 3, 6});
  DataFiles files(kBenchmarks + "classification", "/folder");
  for (const ClassificationSet& set : classification_sets()) {
    INFO(set.name);
    const ClassificationData data = read_classification(files, set);
    CHECK_FALSE(data.test.empty());
    const auto all = demonstrations(data, 100, 42);
    CHECK(all.size() == data.train.size());
    CHECK(demonstrations(data, 1, 42)[0].texts == all[0].texts);
  }
  const auto read = [&](const char* name) {
    return read_classification(files, classification_set(name, ""));
  };
  const ClassificationData news = read("agnews");
  CHECK(classification_examples(*news.set, {news.train[0]}) +
            classification_question(*news.set, news.test[0]) ==
        "Article: first text Category: world\n\nArticle: a text to name Category:");
  const ClassificationData pedia = read("dbpedia");
  CHECK(classification_examples(*pedia.set, {pedia.train[0]}) +
            classification_question(*pedia.set, pedia.test[0]) ==
        "Title: Oak. Content: A tree.\nCategory: Plant\n\nTitle: Fir. Content: Another "
        "tree.\nCategory:");
  const ClassificationData hate = read("tweet_hate");
  CHECK(classification_examples(*hate.set, {hate.train[1]}) +
            classification_question(*hate.set, hate.test[0]) ==
        "Text: second text\nLabel: Hate\nText: a text to name Label:");
  CHECK_THROWS_WITH(classification_set("sst", "/sets/0"),
                    Contains("/sets/0: unknown classification set 'sst'; did you mean 'sst2'?"));
  Folder folder;
  folder.with("sst2_train.jsonl", "{\"text\": \"x\", \"label\": 2}\n")
      .with("sst2_test.jsonl", "{\"text\": \"x\", \"label\": 0}\n");
  DataFiles own = folder.files();
  CHECK_THROWS_WITH(
      read_classification(own, classification_set("sst2", "")),
      Contains("sst2_train.jsonl:1: has the label 2; expected 0 to 1 (positive, negative)"));
}

TEST_CASE("LongBench: files, prompts and scores as published", "[unit][context]") {
  DataFiles files(kBenchmarks + "longbench", "/folder");
  const auto all = read_longbench(files, {}, false, "/folder");
  REQUIRE(all.size() == 2);
  CHECK(read_longbench(files, {}, true, "/folder").at(0).items.at(0).length == 9000);
  const LongBenchData& trec = all[1];
  CHECK(trec.set->name == "trec");
  const LongBenchPrompt prompt = longbench_prompt(*trec.set, trec.items[0]);
  CHECK(prompt.context + prompt.question ==
        "Please determine the type of the question below. Here are some examples of "
        "questions.\n\nQuestion: Who is he?\nType: Individual\nQuestion: How far is it?\nType:");
  const auto score = [](const char* set, const LongBenchItem& item, const char* answer) {
    for (const LongBenchSet& each : longbench_sets())
      if (each.name == set) return longbench_score(each, item, answer);
    return -1.0;
  };
  // "Distance" is a part of the right class and is dropped; what stands on the next line is not
  // read.
  CHECK(score("trec", trec.items[0], "\nDistance, linear measure\nIndividual") == 1);
  CHECK(score("trec", trec.items[0], "Individual") == 0);
  CHECK(score("trec", trec.items[0], "Individual or Distance, linear measure") == 0.5);
  CHECK(score("hotpotqa", all[0].items[0], "by Lee") == Approx(2.0 / 3));  // the better reference
  LongBenchItem item;
  item.answers = {"Paragraph 3"};
  CHECK(score("passage_retrieval_en", item, "Paragraph 3 or 13") == 0.5);
  item.answers = {"4"};
  CHECK(score("passage_count", item, "4, 4 and 5") == Approx(2.0 / 3));
  CHECK(score("passage_count", item, "none") == 0);
  item.answers = {"x = 1"};
  CHECK(score("lcc", item, "\n# note\nx = 1\ny") == 1);
  item.answers = {"在北京"};
  CHECK(score("multifieldqa_zh", item, "北京。") == Approx(0.8));
  CHECK(score("dureader", item, "北京") == Approx(0.8));
  CHECK(longbench_bucket(3999) == "0-4k");
  CHECK(longbench_bucket(8000) == "8k+");
  for (const LongBenchSet& set : longbench_sets()) {
    INFO(set.name);
    CHECK(set.prompt.find("{context}") != std::string::npos);
    CHECK(set.max_tokens >= 32);
  }
  CHECK_THROWS_WITH(read_longbench(files, {"qasper"}, false, "/f"),
                    Contains("holds no data/qasper.jsonl; it has hotpotqa, trec"));
  CHECK_THROWS_WITH(read_longbench(files, {"hotpot"}, false, "/f"), Contains("did you mean"));
}

TEST_CASE("BABILong: files, template and answers as published", "[unit][context]") {
  DataFiles files(kBenchmarks + "babilong", "/folder");
  const auto all = read_babilong(files, {}, {}, "/folder");
  REQUIRE(all.size() == 3);
  CHECK(all[0].length == "0k");
  CHECK(all[1].items[0].depth == 0.25);
  const BabiLongPrompt plain = babilong_prompt(*all[0].task, all[0].items[0], false);
  CHECK(plain.context + plain.question ==
        "<context>\nMary went to the kitchen. John went to the garden.\n</context>\n\nQuestion: "
        "Where is Mary?");
  CHECK_THAT(babilong_prompt(*all[0].task, all[0].items[0], true).context,
             Catch::StartsWith("I will give you context with the facts about positions"));
  const auto right = [&](size_t data, const char* answer) {
    return babilong_is_right(*all[data].task, all[data].items[0], answer);
  };
  CHECK(right(0, " The most recent location of Mary is Kitchen. Or garden."));
  CHECK_FALSE(right(0, "kitchen or garden"));
  CHECK_FALSE(right(0, ""));
  CHECK(right(2, "milk and apple"));
  CHECK_FALSE(right(2, "apple"));
  CHECK(babilong_length("4k") == 4096);
  CHECK(babilong_length("k") == -1);
  CHECK_THROWS_WITH(read_babilong(files, {"qa1"}, {"4k"}, "/f"),
                    Contains("holds no data/qa1/4k.json; it has 0k, 1k"));
  Folder folder;
  folder.with("qa1/0k.json", "{\"input\": \"a\", \"question\": \"b\", \"target\": \"c\"}");
  DataFiles own = folder.files();
  CHECK_THROWS_WITH(read_babilong(own, {}, {}, "/f"),
                    Contains("0k.json:1: has the target 'c'; the answers of qa1 are bathroom"));
}

// Standard output that cannot be written; names and help of the command line.
#include <catch2/catch.hpp>

#include "core/schema/record.h"
#include "tests/experiments/shell.h"

using namespace sublab;
using Catch::Contains;

namespace {

/// Every command that prints, with a study that was run and a checkpoint to work on.
std::vector<std::string> printing_commands(const Workplace& place) {
  const Record record = read_records(place.path("results/tiny")).front();
  const std::string checkpoint = "results/tiny/checkpoints/" + record.train_id;
  place.write("ids.json", "[1, 2, 3]");
  std::vector<std::string> out = {"run tiny.json",
                                  "run tiny.json --json",
                                  "run tiny.json --dry-run",
                                  "quick --dry-run",
                                  "status results/tiny",
                                  "status results/tiny --json",
                                  "compare results/tiny subllm llama",
                                  "compare results/tiny subllm llama --json",
                                  "verify results/tiny",
                                  "verify results/tiny --json",
                                  "claims results/tiny",
                                  "claims results/tiny --json",
                                  "audit " + checkpoint + " --canary-steps 0",
                                  "show tiny.json",
                                  "show tiny.json --variant llama",
                                  "list",
                                  "list --json",
                                  "eval --model " + checkpoint + " --text notes/1.txt",
                                  "generate " + checkpoint + " --prompt word --max-tokens 4",
                                  "inspect " + checkpoint + " --text notes/1.txt --json",
                                  "logits " + checkpoint + " --tokens ids.json --out logits.npy",
                                  "corpus list",
                                  "corpus import notes again",
                                  "calibrate",
                                  "doctor",
                                  "--help",
                                  "--version",
                                  "corpus import --help",
                                  "--help-all"};
  for (const char* format : {"md", "csv", "json"})
    out.push_back(std::string("report results/tiny --format ") + format);
  return out;
}

void check_fails(const Workplace& place, const std::string& command, const std::string& output) {
  // The parentheses keep Workplace's own redirection from winning.
  const Ran ran = place.run("--version", "(" + std::string(SUBLAB_PROGRAM) + " " + command + " " +
                                             output + ") || exit $?;");
  INFO(command << " " << output << "\n" << ran.err);
  CHECK(ran.code != 0);
}

}  // namespace

TEST_CASE("output that cannot be written fails every command", "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study().dump());
  REQUIRE(place.run("run tiny.json").code == 0);
  for (const std::string& command : printing_commands(place)) {
    check_fails(place, command, ">/dev/full 2>said.txt");
    CHECK_THAT(read_file(place.path("said.txt")), Contains("cannot write to standard output"));
  }
  // Closed, its number must not become that of a file which is then printed into.
  for (const std::string command : {"list", "status results/tiny --json", "run tiny.json"}) {
    check_fails(place, command, ">&- 2>said.txt");
    CHECK_THAT(read_file(place.path("said.txt")), Contains("cannot write to standard output"));
  }
  CHECK(place.run("verify results/tiny").code == 0);
  const Record record = read_records(place.path("results/tiny")).front();
  check_fails(place,
              "train new --set data.corpus='[\"notes\"]' --set data.tokenizer=bytes"
              " --set train.tokens=512 --set train.batch_tokens=256 --set model.d_model=16"
              " --set model.n_heads=2",
              ">/dev/full 2>said.txt");
  for (const std::string to : {"import", "export"})
    check_fails(place, to + " results/tiny/checkpoints/" + record.train_id + " made_by_" + to,
                ">/dev/full 2>said.txt");
  fs::create_symlink("/dev/full", place.path("full"));
  check_fails(place, "report results/tiny --out full", "2>said.txt");
  CHECK_THAT(read_file(place.path("said.txt")), Contains("full: cannot write"));
  // A reader that has enough ends the program as it ends any other: without a word.
  place.run("--version", std::string(SUBLAB_PROGRAM) + " list 2>said.txt | true;");
  CHECK(read_file(place.path("said.txt")).empty());
}

TEST_CASE("studies of the program, kinds and help have the names that one tries", "[end_to_end]") {
  const Workplace place;
  const Ran quick = place.run("show quick", "");
  CHECK_THAT(quick.out + quick.err, Contains("quick"));
  const Ran near = place.run("run qick");
  CHECK(near.code == 2);
  CHECK_THAT(near.err, Contains("did you mean 'quick'?"));
  for (const std::string kind : {"scorer", "architecture", "selector", "task", "section"}) {
    CHECK(place.run("list " + kind + "s").out == place.run("list " + kind).out);
    CHECK_THAT(place.run("list " + kind + "s").out, Contains(kind));
  }
  CHECK_THAT(place.run("--version").out, Contains("sublab ") && Contains("LibTorch"));
  CHECK_THAT(place.run("corpus import --help").out, Contains("PATH") && Contains("Example"));
  const std::string all = place.run("--help-all").out;
  for (const char* text : {"corpus", "import", "--replan", "--extrapolate"})
    CHECK_THAT(all, Contains(text));
  CHECK_THAT(all, !Contains("bench-worker"));
  place.write("tiny.json", place.study().dump());
  CHECK_THAT(place.run("run tiny.json --set train.lr=1").err,
             Contains("unknown key 'lr'; did you mean 'learning_rate'?"));
  CHECK_THAT(place.run("run tiny.json --set lr=1").err,
             Contains("did you mean 'train.learning_rate'?"));
  CHECK_THAT(place.run("run tiny.json --set model.hidden_size=8").err,
             Contains("did you mean 'd_model'?"));
  CHECK_THAT(place.run("run tiny.json --set model={}").err, Contains("changes nothing"));
}

TEST_CASE("the threads that are asked for are those that a command computes with", "[end_to_end]") {
  const Workplace place;
  const auto threads_of = [&](const std::string& name, const std::string& more) {
    const Ran ran = place.run(place.train_arguments(name, "--json " + more), "OMP_NUM_THREADS=1");
    INFO(ran.err);
    REQUIRE(ran.code == 0);
    return json::parse(ran.out).at("environment").at("threads").get<int64_t>();
  };
  CHECK(threads_of("one", "") == 1);
  CHECK(threads_of("two", "--threads 2") == 2);
  place.write("text.txt", "word1 word2 word3. A few words more.");
  place.write("ids.json", "[1, 2, 3]");
  for (const std::string command :
       {"eval --model one --text text.txt", "logits one --tokens ids.json --out logits.npy",
        "generate one --prompt word --max-tokens 2", "inspect one --text text.txt --json",
        "audit one --canary-steps 0"}) {
    INFO(command);
    CHECK(place.run(command + " --threads 1").code == 0);
    CHECK(place.run(command + " --threads 0").code == 2);
  }
}

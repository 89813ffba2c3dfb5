// A user's mistakes: one clear line, exit 2, nothing half-written.
#include <catch2/catch.hpp>

#include "tests/experiments/shell.h"

using namespace sublab;
using Catch::Contains;

namespace {

/// The study with one change in its base is refused, before anything is written.
void check_refused(const Workplace& place, const json& edits, const std::string& expected) {
  place.write("bad.json", place.study(edits).dump());
  const Ran ran = place.run("run bad.json --out bad");
  INFO(ran.err);
  CHECK(ran.code == 2);
  CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
  CHECK_THAT(ran.err, Contains("sublab: bad.json: ") && Contains(expected));
  CHECK_FALSE(fs::exists(place.path("bad")));
}

json model(const std::string& key, const json& value) {
  return {{"base", {{"model", {{key, value}}}}}};
}

void check_line(const Ran& ran, const std::string& expected) {
  INFO(ran.err);
  CHECK(ran.code == 2);
  // Progress may stand before it; the mistake itself is one line.
  const size_t line = ran.err.rfind("sublab: ");
  REQUIRE(line != std::string::npos);
  CHECK(ran.err.find('\n', line) == ran.err.size() - 1);
  CHECK_THAT(ran.err.substr(line), Contains(expected));
}

}  // namespace

TEST_CASE("mistakes in a study are refused by place, value and what is allowed", "[end_to_end]") {
  const Workplace place;
  check_refused(place, model("d_modle", 16),
                "/base/model: unknown key 'd_modle'; did you mean 'd_model'?");
  check_refused(place, model("d_model", "wide"), "d_model: expected a whole number, got \"wide\"");
  check_refused(place, model("d_model", 16.5), "d_model: expected a whole number");
  check_refused(place, model("n_heads", 3), "n_heads");
  check_refused(place, model("architecture", "lama"),
                "unknown architecture 'lama'; did you mean 'llama'?");
  check_refused(place, {{"base", {{"train", {{"learning_rate", -1}}}}}}, "learning_rate: -1");
  check_refused(place, {{"base", {{"data", {{"corpus", {"nots"}}}}}}}, "nots");
  check_refused(place, {{"base", {{"data", {{"tokenizer", "sentencepeice:100"}}}}}},
                "sentencepeice");
  check_refused(place, {{"base", {{"evaluate", {{{"task", "perplexty"}}}}}}},
                "did you mean 'perplexity'?");
  const auto variant = [](const json& changes) {
    return json{{"variants", {{"subllm", changes}}}};
  };
  check_refused(place, variant({{"model.structure", "T(T"}}), "structure");
  check_refused(place, variant({{"model.structure", "T)T("}}), "structure");
  check_refused(place, variant({{"model.structure", "T(x)T"}}), "structure");
  for (const char* empty : {"T()T", "T(T()T)T", "T(T)()"})
    check_refused(place, variant({{"model.structure", empty}}),
                  "/variants/subllm/model/structure: '" + std::string(empty) +
                      "' closes a pair with nothing in it");
  check_refused(place, {{"study", ".."}}, "/study: \"..\" is not a name");
  check_refused(place, variant({{"model.retention", 0}}), "retention");
  check_refused(place, variant({{"model.retention", 1.5}}), "retention");
  check_refused(place, variant({{"model.scorer", "lerned"}}),
                "unknown scorer 'lerned'; did you mean 'learned'?");
}

TEST_CASE("mistakes in tasks over long contexts are refused by place", "[end_to_end][context]") {
  const Workplace place;
  const auto asks = [](json entry) { return json{{"base", {{"evaluate", {std::move(entry)}}}}}; };
  check_refused(place, asks({{"task", "passkey"}, {"lengths", {512}}, {"depths", {0, 120}}}),
                "/base/evaluate/0/depths/1: 120");
  check_refused(place, asks({{"task", "passkey"}, {"lengths", {64}}}),
                "/base/evaluate/0/lengths/0: 64 tokens hold no prompt of passkey with its answer");
  check_refused(place,
                asks({{"task", "ruler_niah_single"}, {"lengths", {768}}, {"haystack", "hay"}}),
                "/base/evaluate/0/haystack");
  check_refused(place, asks({{"task", "needle"}, {"lengths", {768}}, {"answer", "swim"}}),
                "/base/evaluate/0/answer: 'swim' does not stand in the needle");
  check_refused(place, asks({{"task", "ruler_vt"}, {"depths", {50}}}), "n_per_length");
  place.write("questions.json", R"({"rows": []})");
  check_refused(place, asks({{"task", "ruler_qa"}, {"lengths", {768}}, {"path", "questions.json"}}),
                "questions.json has neither SQuAD's layout nor HotpotQA's");
  check_refused(place, asks({{"task", "ruler_qa"}, {"lengths", {768}}, {"path", "absent.json"}}),
                "/base/evaluate/0/path: there is no file or folder 'absent.json'");
}

TEST_CASE("files that are no study or no text are refused", "[end_to_end]") {
  const Workplace place;
  place.write("prose.json", "This is no JSON.");
  check_line(place.run("run prose.json"), "prose.json: is not valid JSON at line 1");
  check_line(place.run("run absent.json"), "absent.json: does not exist");
  place.write("empty.txt", "");
  check_line(place.run("corpus import empty.txt empty"), "empty.txt");
  place.write("binary.txt", std::string("\x7f"
                                        "ELF\0\0\1\2",
                                        8));
  check_line(place.run("corpus import binary.txt binary"), "binary.txt");
  place.write("latin.txt", "caf\xe9 au lait, and some more words to be long enough");
  check_line(place.run("corpus import latin.txt latin"), "UTF-8");
  check_line(place.run("corpus import nowhere nowhere"), "nowhere");
  check_line(place.run("corpus import notes '../out'"), "../out");
  check_line(place.run("corpus prepare gcid"), "did you mean 'gcide'?");
  for (const char* name : {"empty", "binary", "latin"})
    CHECK_FALSE(fs::exists(place.path("corpora") / name));
}

TEST_CASE("a damaged corpus or checkpoint is a clear line", "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study().dump());
  REQUIRE(place.run("run tiny.json --only llama").code == 0);
  const fs::path weights = [&] {
    for (const auto& file :
         fs::recursive_directory_iterator(place.path("results/tiny/checkpoints")))
      if (file.path().filename() == "model.safetensors") return file.path();
    return fs::path();
  }();
  REQUIRE_FALSE(weights.empty());
  const std::string checkpoint = weights.parent_path().string();
  place.write("ids.json", "[1, 2]");
  fs::resize_file(weights, fs::file_size(weights) - 10);
  check_line(place.run("logits " + checkpoint + " --tokens ids.json --out l.npy"),
             "model.safetensors");
  CHECK_FALSE(fs::exists(place.path("l.npy")));
  fs::resize_file(place.path("corpora/notes/train.docs"), 100);
  fs::remove_all(place.path("shards"));
  check_line(place.run("run tiny.json --out other"), "notes");
}

TEST_CASE("a folder that cannot be written and a full disk are clear lines", "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study().dump());
  place.write("file", "in the way");
  check_line(place.run("run tiny.json --out file/results"), "file/results");
  check_line(place.run("run tiny.json --out /proc/results"), "/proc/results");
  check_line(place.run("report nowhere"), "nowhere");
  check_line(place.run("status nowhere"), "nowhere");
}

TEST_CASE("a disk that fills up is a clear line and leaves nothing half-written", "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study().dump());
  // A limit on the size of files fails a write as a full disk does.
  const Ran full = place.run("run tiny.json --only llama", "ulimit -f 24;");
  check_line(full, "cannot write");
  for (const auto& file : fs::recursive_directory_iterator(place.path("results/tiny")))
    CHECK_FALSE(file.path().filename() == "model.safetensors");
  const Ran again = place.run("run tiny.json --only llama");
  INFO(again.err);
  CHECK(again.code == 0);
}

TEST_CASE("a wrong command line is one line with exit 2", "[end_to_end]") {
  const Workplace place;
  check_line(place.run("rnu"), "did you mean 'run'?");
  check_line(place.run("run"), "STUDY is required");
  check_line(place.run("run tiny.json --jobs 0"), "--jobs");
  check_line(place.run("list colours"), "unknown kind or name 'colours'");
  place.write("tiny.json", place.study().dump());
  check_line(place.run("run tiny.json --set train.tokns=5"), "did you mean 'tokens'?");
  check_line(place.run("run tiny.json --set train.tokens"), "train.tokens");
  CHECK(place.run("--help").code == 0);
  CHECK(place.run("run --help").code == 0);
}

TEST_CASE("nesting, NUL bytes and links that lead nowhere are a line each", "[end_to_end]") {
  const Workplace place;
  const std::string deep = std::string(100000, '[') + std::string(100000, ']');
  place.write("deep.json", "{\"study\": " + deep + "}");
  check_line(place.run("run deep.json"), "deep.json: is nested more than 200 levels deep");
  place.write("nul.json", std::string("{\"study\": \"a\"}\0", 16));
  check_line(place.run("show nul.json"), "nul.json: is no JSON: it has a NUL byte");
  place.write("bad/config.json", deep);
  check_line(place.run("generate bad --prompt x"), "config.json: is nested more than");
  place.write("results/tiny/plan.json", deep);
  check_line(place.run("status results/tiny"), "plan.json: is nested more than");
  const Ran verified = place.run("verify results/tiny");  // a problem among those that it lists
  CHECK(verified.code == 4);
  CHECK_THAT(verified.out + verified.err, Contains("plan.json: is nested more than"));
  place.write("lines.jsonl", deep);
  check_line(place.run("corpus import lines.jsonl lines"), "lines.jsonl:1: is nested more than");
  place.write(
      "long.json",
      place.study({{"variants", {{"subllm", {{"model.structure", std::string(100000, '(')}}}}}})
          .dump());
  check_line(place.run("show long.json"), "has 100000 characters");
  fs::create_symlink("loop", place.path("loop"));
  for (const char* command : {"run loop", "corpus import loop loops", "report loop", "status loop",
                              "eval --model loop --text notes/1.txt", "import loop new",
                              "corpus import loop/below loops"})
    check_line(place.run(command), "loop");
  check_line(place.run("run \"$(printf 'caf\\351')\""), "argument 2: is not UTF-8");
}

TEST_CASE("a study may come through a pipe, which is read once", "[end_to_end]") {
  const Workplace place;
  const std::string text = place.study().dump();
  place.write("tiny.json", text);
  const Ran shown = place.run("show /dev/stdin", "cat tiny.json |");
  INFO(shown.err);
  CHECK(shown.code == 0);
  CHECK_THAT(shown.out, Contains("subllm"));
  const Ran ran = place.run("run /dev/stdin --only llama", "cat tiny.json |");
  INFO(ran.err);
  CHECK(ran.code == 0);
  CHECK(read_file(place.path("results/tiny/study.json")) == text);
  check_line(place.run("report results/tiny --format html", "TMPDIR=/nowhere"), "TMPDIR");
}

TEST_CASE("a complete cache serves a user who may only read it", "[end_to_end]") {
  const Workplace place;
  json study = place.study();
  study["base"]["data"]["tokenizer"] = "sentencepiece:320";
  place.write("tiny.json", study.dump());
  REQUIRE(place.run("run tiny.json --only llama --out first").code == 0);
  REQUIRE(std::system(("chmod -R a+rX,a-w " + place.path("").string()).c_str()) == 0);
  const TemporaryFolder results;
  fs::permissions(results.path, fs::perms::all);
  // Root may write everywhere; another user may not.
  const std::string as_other =
      ::geteuid() == 0 ? "setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/" : "";
  const std::string line = "cd " + place.path("").string() + " && " + as_other + " " +
                           SUBLAB_PROGRAM " run tiny.json --only llama --out " +
                           (results.path / "out").string() + " >" +
                           (results.path / "log").string() + " 2>&1";
  const int status = std::system(line.c_str());
  INFO(read_file(results.path / "log"));
  CHECK(status == 0);
  CHECK(std::system(("chmod -R u+w " + place.path("").string()).c_str()) == 0);
}

TEST_CASE("a rate that no tuning trial can choose is no success", "[end_to_end]") {
  const Workplace place;
  const json grid = {{"train.learning_rate", {0.001, 0.003}}};
  const std::string expected = "/tune: no entry of evaluate measures a loss to choose by";
  json study = place.study({{"tune", grid}});
  study["base"]["evaluate"] = json::array();
  check_refused(place, study, expected);
  study["base"]["data"] = {{"train_on", "recall"}, {"context_len", 32}};
  study["base"]["evaluate"] = {{{"task", "recall"}, {"n_rows", 8}}};
  place.write("bad.json", study.dump());
  check_line(place.run("run bad.json --out bad"), expected);
  // Each step makes the matrices some 90 times as large.
  study = place.study({{"tune", {{"train.learning_rate", {9, 10}}}}, {"seeds", {1, 2}}});
  study["base"]["train"]["weight_decay"] = 10;
  place.write("wild.json", study.dump());
  const Ran wild = place.run("run wild.json --only llama --out wild");
  INFO(wild.err);
  CHECK(wild.code == 1);
  CHECK_THAT(wild.err, Contains("llama: no tuning trial ended with a loss"));
  const json status = json::parse(place.run("status wild --json").out);
  CHECK(status.at("without_rate") == json{"llama", "subllm"});
  CHECK(status.at("counts").at("missing") == 2 + 4);  // subllm's tuning, and two seeds of each
}

TEST_CASE("nothing that matches leaves no folder, and options that contradict are refused",
          "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study().dump());
  CHECK(place.run("run tiny.json --only 'nothing*' --out none").code == 3);
  CHECK_FALSE(fs::exists(place.path("none")));
  check_line(place.run("run tiny.json --device cpu --set train.device=cuda --out none"),
             "--device: 'cpu' contradicts --set train.device=cuda");
  check_line(place.run("run tiny.json --set train.device=auto --device cpu --out none"),
             "contradicts");
  CHECK(place.run("run tiny.json --device cpu --set train.device=cpu --dry-run").code == 0);
}

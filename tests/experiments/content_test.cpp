// What is trained on, and which tokenizer a checkpoint has, is known by content, not by name.
#include <catch2/catch.hpp>

#include "core/schema/plan.h"
#include "core/schema/record.h"
#include "tests/experiments/shell.h"

using namespace sublab;
using Catch::Contains;

namespace {

/// Imports the notes again under their name with more files.
void import_more(const Workplace& place) {
  for (int i = 0; i < 40; ++i) {
    std::string text = "Another text, number " + std::to_string(i) + ":";
    for (int w = 0; w < 60; ++w) text += " other" + std::to_string((i * w) % 17);
    place.write("notes/more" + std::to_string(i) + ".txt", text);
  }
  REQUIRE(place.run("corpus import notes notes").code == 0);
}

void check_refused(const Ran& ran, const std::string& expected) {
  INFO(ran.err);
  CHECK(ran.code == 2);
  CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
  CHECK_THAT(ran.err, Contains(expected));
}

}  // namespace

TEST_CASE("a corpus that was imported again is another corpus", "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study().dump());
  REQUIRE(place.run("run tiny.json").code == 0);
  const Plan before = read_plan(place.path("results/tiny"));
  REQUIRE(before.content.corpora.size() == 1);
  const Record record = read_records(place.path("results/tiny")).at(0);
  CHECK(record.provenance.at("corpora").at("notes").at("train_sha256") ==
        before.content.corpora[0].train);
  import_more(place);
  const Ran again = place.run("run tiny.json");
  INFO(again.out << again.err);
  CHECK_THAT(again.err,
             Contains("corpus 'notes' has another content now") && !Contains("2 done before"));
  CHECK(place.run("run tiny.json --out new").code == 0);
  for (const PlannedTrial& trial : read_plan(place.path("new")).trials)
    for (const PlannedTrial& old : before.trials) {
      CHECK(trial.train_id != old.train_id);
      CHECK(trial.id != old.id);
    }
  CHECK_THAT(place.run("run tiny.json --out new").err, Contains("2 done before"));
  // A trial that is started with the old plan, as by a machine that shares the folder.
  const std::string id = before.trials[0].id;
  fs::remove(place.path("results/tiny/records/" + id + ".json"));
  check_refused(place.run("trial results/tiny " + id + " --parent $$"),
                "corpus 'notes' has another content now");
}

TEST_CASE("the same text under another name, or in another place, trains nothing again",
          "[end_to_end]") {
  const Workplace place;
  REQUIRE(place.run("corpus import notes copied").code == 0);
  place.write("tiny.json", place.study().dump());
  REQUIRE(place.run("run tiny.json").code == 0);
  const Ran renamed = place.run("run tiny.json --set data.corpus='[\"copied\"]'");
  INFO(renamed.err);
  if (renamed.code == 0) {  // else the changed plan was refused
    CHECK_THAT(renamed.err, Contains("2 done before"));
    CHECK(place.run("verify results/tiny").code == 0);
  }
  const auto ids = [&](const std::string& corpus) {
    return place.run("run tiny.json --out other --dry-run --set data.corpus='[\"" + corpus + "\"]'")
        .out;
  };
  CHECK(ids("copied") == ids("notes"));
}

TEST_CASE("a trial does not start from weights of another tokenizer unless that is meant",
          "[end_to_end]") {
  const Workplace place;
  for (int i = 0; i < 60; ++i) {
    std::string text = "Chapter " + std::to_string(i) + ".";
    for (int w = 0; w < 90; ++w) text += " syl" + std::to_string((i * 7 + w * w) % 41) + "able";
    place.write("book/" + std::to_string(i) + ".txt", text);
  }
  REQUIRE(place.run("corpus import book book").code == 0);
  json study = place.study();
  study["base"]["data"]["tokenizer"] = "sentencepiece:300";
  study["variants"] = {{"first", json::object()},
                       {"second", {{"train.from", "first"}, {"data.corpus", {"book"}}}}};
  study["compare_to"] = "first";
  place.write("tiny.json", study.dump());
  check_refused(place.run("run tiny.json"),
                "'first' was trained with the tokenizer sentencepiece:300 of notes");
  CHECK_FALSE(fs::exists(place.path("results/tiny/records")));
  study["variants"]["second"]["train.from_other_tokenizer"] = true;
  place.write("tiny.json", study.dump());
  const Ran meant = place.run("run tiny.json");
  INFO(meant.err);
  REQUIRE(meant.code == 0);
  CHECK_THAT(meant.out, Contains("second starts from first, which was trained with another "
                                 "tokenizer (sentencepiece:300)"));
  // The same from a folder, and from the variant of a study.
  const std::string more =
      "--set data.corpus='[\"book\"]' --set data.tokenizer=sentencepiece:300 --set "
      "train.from=results/tiny:";
  check_refused(place.run(place.train_arguments("ckpt", more + "first")), "equal ids mean other");
  CHECK_FALSE(fs::exists(place.path("ckpt")));
  CHECK(place.run(place.train_arguments("ckpt", more + "second")).code == 0);
  check_refused(place.run(place.train_arguments(
                    "ckpt2", more + "second --set train.from_other_tokenizer=true")),
                "has no effect");
  check_refused(place.run(place.train_arguments("ckpt2", "--set train.from_other_tokenizer=true")),
                "has no effect without train.from");
}

TEST_CASE("a checkpoint is read with its own tokenizer unless another one is meant",
          "[end_to_end]") {
  const Workplace place;
  const auto train = [&](const std::string& name, const std::string& tokenizer) {
    const Ran ran = place.run(place.train_arguments(name, "--set data.tokenizer=" + tokenizer));
    INFO(ran.err);
    REQUIRE(ran.code == 0);
  };
  train("subword", "sentencepiece:300");
  train("bytes", "bytes");
  place.write("text.txt", "word1 word2 word3. A few words more.");
  const std::string eval = "eval subword --text text.txt --json ";
  CHECK(json::parse(place.run(eval).out).at("tokenizer").at("belongs") == "own");
  const std::string own = "--tokenizer subword/tokenizer.model";
  CHECK(json::parse(place.run(eval + own).out).at("tokenizer").at("belongs") == "own");
  for (const std::string command :
       {"eval subword --text text.txt", "generate subword --prompt word --max-tokens 4",
        "inspect subword --text text.txt --json"}) {
    check_refused(place.run(command + " --tokenizer bytes"),
                  "subword was trained with sentencepiece:300 (hash ");
    check_refused(place.run(command + " --other-tokenizer"), "has no effect without --tokenizer");
    check_refused(place.run(command + " --other-tokenizer " + own), "has no effect");
    const Ran meant = place.run(command + " --tokenizer bytes --other-tokenizer");
    INFO(meant.err);
    CHECK(meant.code == 0);
    CHECK_THAT(meant.out + meant.err, Contains("not the checkpoint's own (sentencepiece:300)"));
  }
  check_refused(place.run("eval bytes --text text.txt " + own), "bytes was trained with bytes");
  // A file that was put in the place of the own one.
  import_more(place);
  train("again", "sentencepiece:300");
  fs::copy_file(place.path("again/tokenizer.model"), place.path("subword/tokenizer.model"),
                fs::copy_options::overwrite_existing);
  check_refused(place.run(eval), "is another tokenizer (hash ");
  // One that names none takes what fits, and says whose word it is.
  json config = json::parse(read_file(place.path("bytes/config.json")));
  config.erase("sublab");
  place.write("bytes/config.json", config.dump());
  check_refused(place.run("eval bytes --text text.txt"), "holds no tokenizer.model");
  CHECK_THAT(place.run("eval bytes --text text.txt --tokenizer bytes").out,
             Contains("bytes, by your word: the checkpoint holds no tokenizer"));
  place.write("bytes/tokenizer.json", "{}");
  check_refused(place.run("eval bytes --text text.txt --tokenizer bytes"),
                "has a tokenizer of its own in tokenizer.json");
}

TEST_CASE("every command takes the variant of a study for a checkpoint", "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study({{"seeds", {1, 2}}}).dump());
  REQUIRE(place.run("run tiny.json").code == 0);
  place.write("text.txt", "word1 word2 word3. A few words more.");
  place.write("ids.json", "[1, 2, 3, 4]");
  const json status = json::parse(place.run("status results/tiny --json").out);
  std::map<std::string, std::string> folders;
  for (const json& trial : status.at("trials")) {
    const std::string folder = trial.at("checkpoint");
    CHECK(fs::exists(place.path("results/tiny") / folder / "model.safetensors"));
    CHECK_THAT(place.run("status results/tiny").out, Contains(folder));
    folders[trial.at("variant").get<std::string>() + "@" + trial.at("seed").dump()] = folder;
  }
  const auto evaluated = [&](const std::string& name) {
    return json::parse(place.run("eval " + name + " --text text.txt --json").out);
  };
  CHECK(evaluated("results/tiny:subllm@2") == evaluated("results/tiny/" + folders["subllm@2"]));
  CHECK(evaluated("results/tiny:subllm") == evaluated("results/tiny/" + folders["subllm@1"]));
  CHECK(place.run("eval --model results/tiny/:llama --text text.txt").code == 0);
  for (const std::string command :
       {"generate results/tiny:llama --prompt word --max-tokens 4",
        "audit results/tiny:llama --canary-steps 0",
        "inspect results/tiny:llama results/tiny:subllm@2 --text text.txt",
        "logits results/tiny:llama --tokens ids.json --out out.npy", "export results/tiny:llama hf",
        "import results/tiny:subllm own"}) {
    INFO(command);
    CHECK(place.run(command).code == 0);
  }
  const std::string tail = " --text text.txt";
  check_refused(place.run("eval results/tiny:lama" + tail), "did you mean 'llama'?");
  check_refused(place.run("eval results/tiny:llama@3" + tail), "its seeds: 1, 2");
  check_refused(place.run("eval results/tiny" + tail), "is a study, not a checkpoint");
  check_refused(place.run("eval results/none:llama" + tail), "STUDY_DIR:VARIANT[@SEED]");
  fs::remove_all(place.path("results/tiny/checkpoints"));
  check_refused(place.run("eval results/tiny:llama@2" + tail), "checkpoints are not kept in git");
  CHECK(json::parse(place.run("status results/tiny --json").out)
            .at("trials")
            .at(0)
            .at("checkpoint")
            .is_null());
}

// From a study to a report, through the program's own command line.
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "core/npy.h"
#include "core/npz.h"
#include "core/schema/arrays.h"
#include "core/schema/record.h"
#include "tests/experiments/shell.h"

using namespace sublab;
using Catch::Contains;

namespace {

std::map<std::string, std::string> contents(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& file : fs::directory_iterator(folder))
    files[file.path().filename()] = read_file(file.path());
  return files;
}

/// Seeds of a study's records in the order in which they were written.
std::vector<int64_t> seeds_as_written(const fs::path& study) {
  std::vector<std::pair<fs::file_time_type, int64_t>> written;
  for (const Record& record : read_records(study))
    written.emplace_back(fs::last_write_time(study / "records" / (record.id + ".json")),
                         record.seed);
  std::sort(written.begin(), written.end());
  std::vector<int64_t> out;
  for (const auto& [time, seed] : written) out.push_back(seed);
  return out;
}

}  // namespace

TEST_CASE("trials run variant by variant, or seed by seed", "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study({{"seeds", {2, 1}}}).dump());
  REQUIRE(place.run("run tiny.json --out a --jobs 1").code == 0);
  CHECK(seeds_as_written(place.path("a")) == std::vector<int64_t>{2, 1, 2, 1});
  REQUIRE(place.run("run tiny.json --out b --jobs 1 --by-seed").code == 0);
  CHECK(seeds_as_written(place.path("b")) == std::vector<int64_t>{2, 2, 1, 1});
}

TEST_CASE("a study becomes records and a report; run again, nothing is re-run", "[end_to_end]") {
  const Workplace place;
  const json measure = {{"base", {{"measure", {{"context", {16}}, {"decode_tokens", 2}}}}},
                        {"seeds", {1, 2}}};
  place.write("tiny.json", place.study(measure).dump());
  const Ran first = place.run("run tiny.json");
  INFO(first.err);
  REQUIRE(first.code == 0);
  CHECK_THAT(first.out, Contains("subllm") && Contains("llama"));
  CHECK_THAT(first.out, Contains("Latency: context 16") && Contains("ideal weighted"));
  const auto records = contents(place.path("results/tiny/records"));
  CHECK(records.size() == 4);
  for (const Record& record : read_records(place.path("results/tiny"))) {
    CHECK(record.outcome == "ok");
    CHECK(record.find("loss_nats")->value);
    CHECK(record.audit.at("verdict") == "causal");
    CHECK(NpzFile(arrays_path(place.path("results/tiny"), record.id)).contains("loss_curve"));
  }
  const Ran again = place.run("run tiny.json");
  CHECK(again.code == 0);
  CHECK_THAT(again.err, Contains("0 trials run, 4 done before"));
  CHECK(contents(place.path("results/tiny/records")) == records);
  CHECK(again.out == first.out);
  for (const char* format : {"md", "csv", "json"}) {
    const Ran report = place.run(std::string("report results/tiny --format ") + format);
    CHECK(report.code == 0);
    CHECK_THAT(report.out, Contains("subllm"));
  }
  CHECK(place.run("report results/tiny --format html").code == 0);
  CHECK_THAT(read_file(place.path("results/tiny/report.html")), Contains("subllm"));
  const json figures = json::parse(place.run("report results/tiny --json").out).at("figures");
  const auto has = [&](const std::string& id) {
    return std::any_of(figures.begin(), figures.end(),
                       [&](const json& figure) { return figure.at("id") == id; });
  };
  for (const char* id : {"loss_curves", "loss_by_position", "loss_against_train_flops",
                         "speedup_decode", "roofline_16_1"}) {
    INFO(id);
    CHECK(has(id));
  }
  CHECK(place.run("report results/tiny --format tex").code == 0);
  CHECK_THAT(read_file(place.path("results/tiny/report.tex")),
             Contains("\\reportfigure{loss_curves}"));
  CHECK(fs::exists(place.path("results/tiny/figures/loss_curves.pdf")));
  CHECK(place.run("report results/tiny --format tex", "SUBLAB_GNUPLOT=/nonexistent").code == 0);
  CHECK_FALSE(fs::exists(place.path("results/tiny/figures/loss_curves.pdf")));
  CHECK(json::parse(place.run("status results/tiny --json").out).is_object());
  CHECK(place.run("compare results/tiny subllm llama").code == 0);
  CHECK_THAT(place.run("compare results/tiny subllm lama").err, Contains("did you mean 'llama'?"));
}

TEST_CASE("an added task trains nothing again", "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study().dump());
  REQUIRE(place.run("run tiny.json").code == 0);
  json study = place.study();
  study["base"]["evaluate"].push_back(
      {{"task", "perplexity"}, {"split", "test"}, {"max_tokens", 200}});
  place.write("tiny.json", study.dump());
  REQUIRE(place.run("run tiny.json").code == 0);
  // Trained anew, it would have taken another time; what training measured is told again.
  std::map<std::string, std::vector<Record>> by_weights;
  for (const Record& record : read_records(place.path("results/tiny")))
    by_weights[record.train_id].push_back(record);
  CHECK(by_weights.size() == 2);
  for (const auto& [train_id, records] : by_weights) {
    REQUIRE(records.size() == 2);
    CHECK(records[0].times.at("train_seconds") == records[1].times.at("train_seconds"));
    REQUIRE(records[1].find("peak_memory_bytes", {{"phase", "train"}}));
    CHECK(records[0].find("peak_memory_bytes", {{"phase", "train"}})->value ==
          records[1].find("peak_memory_bytes", {{"phase", "train"}})->value);
    CHECK(records[0].arrays.members.at("loss_curve") == records[1].arrays.members.at("loss_curve"));
  }
}

TEST_CASE("a tuned study stands on test documents and can be verified", "[end_to_end]") {
  const Workplace place;
  json study = place.study();
  study["tune"] = {{"train.learning_rate", {0.001, 0.003}}, {"set", {{"train.tokens", 2048}}}};
  place.write("tiny.json", study.dump());
  REQUIRE(place.run("run tiny.json").code == 0);
  for (const Record& record : read_records(place.path("results/tiny")))
    CHECK(record.find("loss_nats")->conditions.at("split") ==
          (record.probe == "tune" ? "validation" : "test"));
  for (const char* format : {"html", "tex"})
    CHECK(place.run(std::string("report results/tiny --format ") + format).code == 0);
  for (const char* format : {"md", "csv", "json"})
    CHECK(place
              .run(std::string("report results/tiny --format ") + format +
                   " --out results/tiny/report." + format)
              .code == 0);
  const Ran fine = place.run("verify results/tiny --rerun 1 --json");
  INFO(fine.out << fine.err);
  CHECK(fine.code == 0);
  const json found = json::parse(fine.out);
  CHECK(found.at("report_files") == 5);
  CHECK(found.at("reruns").at(0).at("from_checkpoint") == true);
  CHECK(found.at("reruns").at(0).at("largest_difference") == 0);
  fs::remove_all(place.path("results/tiny/checkpoints"));
  const json anew = json::parse(place.run("verify results/tiny --rerun 1 --json").out);
  CHECK(anew.at("reruns").at(0).at("from_checkpoint") == false);
  CHECK(anew.at("reruns").at(0).at("problems").empty());
  CHECK(anew.at("reruns").at(0).at("compared") > 10);
  std::string page = read_file(place.path("results/tiny/report.html"));
  const size_t digit = page.find_first_of("0123456789", page.find("<tbody>"));
  page[digit] = page[digit] == '9' ? '8' : static_cast<char>(page[digit] + 1);
  write_file_durably(place.path("results/tiny/report.html"), page);
  const Ran altered = place.run("verify results/tiny");
  CHECK(altered.code == 4);
  CHECK_THAT(altered.out, Contains("report.html, line"));
}

TEST_CASE("a study killed at any moment keeps what was finished", "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study({{"seeds", {1, 2, 3}}}).dump());
  for (const char* seconds : {"0.9", "1.7", "2.6"}) {
    place.run("run tiny.json", std::string("timeout -s KILL ") + seconds);
    // What stands there is whole.
    if (fs::exists(place.path("results/tiny/records")))
      for (const Record& record : read_records(place.path("results/tiny")))
        CHECK(record.outcome == "ok");
  }
  const size_t kept = fs::exists(place.path("results/tiny/records"))
                          ? contents(place.path("results/tiny/records")).size()
                          : 0;
  const Ran rest = place.run("run tiny.json");
  INFO(rest.err);
  REQUIRE(rest.code == 0);
  CHECK_THAT(rest.err, Contains(std::to_string(kept) + " done before"));
  CHECK(read_records(place.path("results/tiny")).size() == 6);
}

TEST_CASE("a trial that fails is an outcome; the next run tries it again", "[end_to_end]") {
  const Workplace place;
  json study = place.study();
  study["variants"]["wild"] = {{"train.learning_rate", 10},
                               {"train.clip_norm", 0},
                               {"model.embedding_std", 10},
                               {"train.tokens", 40000}};
  study["variants"]["late"] = {{"train.minutes", 1e-9}};
  place.write("tiny.json", study.dump());
  const Ran run = place.run("run tiny.json --set train.weight_decay=0");
  INFO(run.err);
  CHECK(run.code == 1);
  std::map<std::string, std::string> outcome;
  for (const Record& record : read_records(place.path("results/tiny")))
    outcome[record.variant] = record.outcome;
  CHECK(outcome["llama"] == "ok");
  CHECK(outcome["late"] == "timed_out");
  CHECK_THAT(place.run("run tiny.json --set train.weight_decay=0").err, Contains("done before"));
}

TEST_CASE("trials start from others, are dialled, and are cancelled with them", "[end_to_end]") {
  const Workplace place;
  const json structure = {{"model.architecture", "subllm"}, {"model.structure", "T(T)"}};
  const auto with = [&](json changes) {
    changes.update(structure);
    return changes;
  };
  json study = place.study();
  study["variants"] = {{"llama", json::object()},
                       {"put_in", with({{"train.from", "llama"}, {"train.tokens", 0}})},
                       {"trained", with({{"train.from", "put_in"}, {"train.tokens", 1024}})},
                       {"wide", with({{"train.from", "trained"},
                                      {"train.tokens", 0},
                                      {"model.evaluate_selector.threshold", -9}})}};
  place.write("tiny.json", study.dump());
  const Ran run = place.run("run tiny.json --jobs 2");
  INFO(run.err);
  REQUIRE(run.code == 0);
  std::map<std::string, double> loss, kept;
  for (const Record& record : read_records(place.path("results/tiny"))) {
    loss[record.variant] = *record.find("loss_nats")->value;
    if (record.variant != "llama") kept[record.variant] = *record.find("kept_fraction_1")->value;
  }
  CHECK(loss["put_in"] == Approx(loss["llama"]).epsilon(1e-5));  // modules change nothing
  CHECK(loss["trained"] != loss["put_in"]);
  CHECK(kept["wide"] == 1);
  CHECK_THAT(place.run("run tiny.json").err, Contains("0 trials run, 4 done before"));
  study["variants"]["put_in"]["train.from"] = "nobody";
  place.write("bad.json", study.dump());
  CHECK_THAT(place.run("run bad.json").err, Contains("unknown variant before this one"));
  study["variants"]["put_in"]["train.from"] = "llama";
  study["variants"]["llama"]["train.minutes"] = 1e-9;
  place.write("late.json", study.dump());
  CHECK(place.run("run late.json --out late").code == 1);
  for (const Record& record : read_records(place.path("late")))
    CHECK(record.outcome == (record.variant == "llama" ? "timed_out" : "cancelled"));
}

TEST_CASE("shards and globs divide a study; what does not match is said", "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study().dump());
  CHECK(place.run("run tiny.json --only nothing*").code == 3);
  CHECK_FALSE(fs::exists(place.path("results/tiny/records")));
  REQUIRE(place.run("run tiny.json --shard 1/2").code == 0);
  CHECK(read_records(place.path("results/tiny")).size() == 1);
  REQUIRE(place.run("run tiny.json --shard 2/2").code == 0);
  CHECK(read_records(place.path("results/tiny")).size() == 2);
  CHECK_THAT(place.run("run tiny.json --shard 3/2").err, Contains("expected I/N"));
  CHECK_THAT(place.run("run tiny.json --dry-run").out, Contains("done"));
}

TEST_CASE("a checkpoint made by train serves eval, logits, audit and export", "[end_to_end]") {
  const Workplace place;
  const Ran trained = place.run(
      "train ckpt --set data.corpus='[\"notes\"]' --set data.tokenizer=bytes --set "
      "data.context_len=32 "
      "--set train.tokens=2048 --set train.batch_tokens=256 --set model.d_model=16 --set "
      "model.n_heads=2 "
      "--set model.n_layers=1");
  INFO(trained.err);
  REQUIRE(trained.code == 0);
  place.write("ids.json", "[1, 2, 3, 4]");
  CHECK(place.run("logits ckpt --tokens ids.json --out logits.npy").code == 0);
  CHECK(place.run("logits ckpt --tokens ids.json --out wide.npy --dtype float64").code == 0);
  CHECK(place.run("logits ckpt --tokens ids.json --out none.npy --dtype float16").code == 2);
  CHECK_FALSE(fs::exists(place.path("none.npy")));
  const NpyArray narrow = read_npy(place.path("logits.npy")),
                 wide = read_npy(place.path("wide.npy"));
  CHECK(narrow.dtype == "<f4");
  CHECK(wide.dtype == "<f8");
  CHECK(wide.shape == narrow.shape);
  double largest = 0;
  for (size_t i = 0; i < wide.as_doubles().size(); ++i)
    largest = std::max(largest, std::abs(wide.as_doubles()[i] - narrow.as_doubles()[i]));
  CHECK(largest > 0);
  CHECK(largest < 1e-4);
  place.write("text.txt", "word1 word2 word3. A few words more.");
  const Ran eval = place.run("eval --model ckpt --text text.txt --context 16 --stride 8 --json");
  REQUIRE(eval.code == 0);
  CHECK(json::parse(eval.out).is_object());
  CHECK_THAT(place.run("audit ckpt").out, Contains("causal"));
  CHECK(place.run("export ckpt hf").code == 0);
  CHECK(place.run("import hf again").code == 0);
  CHECK(place.run("eval --model nowhere --text text.txt").code == 2);
}

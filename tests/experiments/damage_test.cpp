// Files of a study that were damaged: set aside with a line, and made again.
#include <catch2/catch.hpp>

#include "core/schema/arrays.h"
#include "core/schema/plan.h"
#include "core/schema/record.h"
#include "tests/experiments/hinted.h"

using namespace sublab;
using Catch::Contains;

namespace {

const fs::path kFolder = "results/tiny";

std::string first_record(const Workplace& place) {
  return read_records(place.path(kFolder)).front().id + ".json";
}

}  // namespace

TEST_CASE("a record that is cut off or empty is set aside and made again", "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study().dump());
  REQUIRE(place.run("run tiny.json --set train.weight_decay=0 --threads 1").code == 0);
  const fs::path records = place.path(kFolder / "records");
  const std::string name = first_record(place), whole = read_file(records / name);
  for (const std::string& damaged :
       {std::string(), whole.substr(0, whole.size() / 2), std::string("{\"outcome\": 3}")}) {
    write_file_durably(records / name, damaged);
    const Ran status = place.run("status results/tiny");
    CHECK(status.code == 0);
    CHECK_THAT(status.out, Contains("1 damaged") && Contains("sets this record aside"));
    const Ran verify = place.run("verify results/tiny");
    CHECK(verify.code == 4);
    CHECK_THAT(verify.out, Contains(name) && Contains("makes it again"));
    const Ran report = place.run("report results/tiny");
    CHECK(report.code == 2);
    CHECK_THAT(report.err, Contains(name));
    // The command that the message names does it.
    const Ran mended = run_line(place, hinted(report.err, "; ", " sets this record aside"));
    const std::string said = read_file(place.path("hint_err.txt"));
    INFO(said);
    CHECK(mended.code == 0);
    CHECK_THAT(said, Contains("is damaged (") && Contains("1 trials run, 1 done before"));
    CHECK(json::parse(read_file(records / name)).at("metrics").size() ==
          json::parse(whole).at("metrics").size());
    CHECK(place.run("verify results/tiny").code == 0);
  }
  CHECK(fs::exists(records / (name + ".damaged-3")));
}

TEST_CASE("a damaged file of arrays is set aside with its record, and the trial evaluated again",
          "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study().dump());
  REQUIRE(place.run("run tiny.json --threads 1").code == 0);
  const std::string id = read_records(place.path(kFolder)).front().id;
  const fs::path arrays = place.path(kFolder / "arrays" / (id + ".npz"));
  const std::string whole = read_file(arrays);
  const auto check_mended = [&] {
    const Ran verify = place.run("verify results/tiny --json");
    CHECK(verify.code == 4);
    CHECK_THAT(verify.out, Contains(id + ".npz"));
    const Ran again = place.run("run tiny.json");
    INFO(again.err);
    CHECK(again.code == 0);
    CHECK_THAT(again.err, Contains("is damaged (") && Contains("1 trials run, 1 done before"));
    CHECK(read_file(arrays) == whole);
    CHECK(place.run("verify results/tiny").code == 0);
  };
  write_file_durably(arrays, whole.substr(0, whole.size() / 2));
  const Ran report = place.run("report results/tiny");
  CHECK(report.code == 2);
  CHECK_THAT(report.err, Contains(id + ".npz") && Contains("makes the trial again"));
  check_mended();
  fs::remove(arrays);
  check_mended();
  fs::remove(arrays);
  fs::create_directory(arrays);
  check_mended();
}

TEST_CASE("a plan that is cut off is set aside and made again", "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study().dump());
  REQUIRE(place.run("run tiny.json").code == 0);
  write_file_durably(place.path(kFolder / "plan.json"), "{\"schema\": 1,");
  const Ran again = place.run("run tiny.json");
  INFO(again.err);
  CHECK(again.code == 0);
  CHECK_THAT(again.err,
             Contains("plan.json is damaged") && Contains("0 trials run, 2 done before"));
}

TEST_CASE("a speed measurement that is cut off is made again", "[end_to_end]") {
  const Workplace place;
  const json measure = {{"modes", {"prefill"}}, {"context", {16}}};
  place.write("tiny.json", place.study({{"base", {{"measure", measure}}}}).dump());
  REQUIRE(place.run("bench tiny.json").code == 0);
  const fs::path folder = place.path(kFolder / "bench");
  const fs::path file = fs::directory_iterator(folder)->path();
  write_file_durably(file, read_file(file).substr(0, 100));
  CHECK(place.run("report results/tiny").code == 2);
  const Ran again = place.run("bench tiny.json");
  INFO(again.err);
  CHECK(again.code == 0);
  CHECK_THAT(again.err, Contains("is damaged (") && Contains("speed measured"));
  CHECK(json::parse(read_file(file)).at("measurements").size() == 1);
}

TEST_CASE("training that was cut off while it was kept is done again", "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study().dump());
  REQUIRE(place.run("run tiny.json --only llama").code == 0);
  const Record record = read_records(place.path(kFolder)).front();
  fs::remove(place.path(kFolder / "records" / (record.id + ".json")));
  write_file_durably(place.path(kFolder / "checkpoints" / record.train_id / "training.json"), "");
  const Ran again = place.run("run tiny.json --only llama");
  INFO(again.err);
  CHECK(again.code == 0);
  CHECK_THAT(again.err, Contains("training.json is damaged"));
  CHECK(read_records(place.path(kFolder)).front().find("loss_nats")->value ==
        record.find("loss_nats")->value);
}

TEST_CASE("weights belong to the training that left them", "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study({{"seeds", {1, 2}}}).dump());
  REQUIRE(place.run("run tiny.json --only llama").code == 0);
  const std::vector<Record> records = read_records(place.path(kFolder));
  REQUIRE(records.size() == 2);
  const auto weights = [&](const Record& record) {
    return place.path(kFolder) / "checkpoints" / record.train_id / "model.safetensors";
  };
  write_file_durably(weights(records[0]), read_file(weights(records[1])));
  const Ran found = place.run("verify results/tiny");
  CHECK(found.code == 4);
  CHECK_THAT(found.out + found.err, Contains("is not what the trial " + records[0].id + " left"));
  const fs::path record = place.path(kFolder) / "records" / (records[0].id + ".json");
  for (const char* damage : {"another's", ""}) {
    if (!*damage) write_file_durably(weights(records[0]), "");
    fs::remove(record);
    const Ran again = place.run("run tiny.json --only llama");
    INFO(again.err);
    CHECK(again.code == 0);
    CHECK_THAT(again.err, Contains("training.json") && Contains("1 trials run, 1 done before"));
    CHECK(read_record(record).find("loss_nats")->value == records[0].find("loss_nats")->value);
  }
}

TEST_CASE("what stands beside the weights is that of their training, or it is done again",
          "[end_to_end]") {
  const Workplace place;
  place.write("tiny.json", place.study().dump());
  REQUIRE(place.run("run tiny.json --only llama").code == 0);
  const Record record = read_records(place.path(kFolder)).front();
  const fs::path file = place.path(kFolder / "records" / (record.id + ".json"));
  const fs::path checkpoint = place.path(kFolder / "checkpoints" / record.train_id);
  const auto check_done_again = [&](const std::string& name, const std::string& content) {
    fs::remove(file);
    fs::remove(checkpoint / name);
    if (!content.empty()) write_file_durably(checkpoint / name, content);
    const Ran again = place.run("run tiny.json --only llama");
    INFO(name << ": " << again.err);
    CHECK(again.code == 0);
    CHECK_THAT(again.err, Contains("training.json is damaged ("));
    CHECK(read_record(file).find("loss_nats")->value == record.find("loss_nats")->value);
  };
  for (const std::string name : {"config.json", "curves.npz"}) {
    const std::string whole = read_file(checkpoint / name);
    std::string flipped = whole;
    flipped[whole.size() / 2] ^= 1;
    check_done_again(name, "");
    check_done_again(name, whole.substr(0, whole.size() / 2));
    check_done_again(name, flipped);
  }
  json config = json::parse(read_file(checkpoint / "config.json"));
  config["altered"] = 1;
  check_done_again("config.json", config.dump());
  json training = json::parse(read_file(checkpoint / "training.json"));
  training["times"]["train_seconds"] = 12345;
  check_done_again("training.json", training.dump());
  // One from before the hashes were kept is taken as it is.
  training = json::parse(read_file(checkpoint / "training.json"));
  for (const char* key : {"config_hash", "curves_hash", "digest"}) training.erase(key);
  write_file_durably(checkpoint / "training.json", training.dump());
  fs::remove(file);
  CHECK_THAT(place.run("run tiny.json --only llama").err, !Contains("is damaged"));
}

// Damage of every file of a study is one problem that verify lists, never an end of its work.
#include <catch2/catch.hpp>

#include "analysis/build_report.h"
#include "analysis/study/study_data.h"
#include "analysis/tables/tables.h"
#include "analysis/verify.h"
#include "core/schema/read_record.h"
#include "tests/analysis/study_fixture.h"
#include "tests/temporary_folder.h"

using namespace sublab;
using Catch::Contains;

namespace {

struct DamagedPlace : TemporaryFolder {
  DamagedPlace() {
    write_fixture(path, {}, {{"a", 1, wavy_losses(3)}, {"b", 1, wavy_losses(2.9)}});
    write_file_durably(path / "report.md", "an old report");
  }
  fs::path file() const { return path / "records" / (fixture_id("a", 1) + ".json"); }
  fs::path arrays() const { return arrays_path(path, fixture_id("a", 1)); }
  /// All problems in one text.
  std::string problems() const {
    std::string out;
    for (const std::string& each : verify_study(path).problems) out += each + "\n";
    return out;
  }
  std::string damage() const { return damage_of_arrays(path, read_record(file())); }
  void edit(const std::function<void(Record&)>& change) const {
    Record record = read_record(file());
    change(record);
    write_record(file(), record);
  }
  void edit_json(const fs::path& which, const std::function<void(json&)>& change) const {
    json written = json::parse(read_file(which));
    change(written);
    write_file_durably(which, written.dump(1) + "\n");
  }
};

}  // namespace

TEST_CASE("a damaged file of arrays is listed, and readers say what mends it", "[unit]") {
  const DamagedPlace place;
  CHECK(place.damage().empty());
  const std::string whole = read_file(place.arrays());
  const auto check_named = [&] {
    CHECK_THAT(place.problems(), Contains(fixture_id("a", 1) + ".npz"));
    CHECK_FALSE(place.damage().empty());
    CHECK_THROWS_WITH(read_study_data(place.path),
                      Contains(fixture_id("a", 1) + ".npz") && Contains("makes the trial again"));
  };
  write_file_durably(place.arrays(), whole.substr(0, whole.size() / 2));
  check_named();
  NpyMembers members = read_npz(arrays_path(place.path, fixture_id("b", 1)));
  members.begin()->second.dtype = "<c8";
  write_npz(place.arrays(), members);
  check_named();
  fs::remove(place.arrays());
  fs::create_directory(place.arrays());
  check_named();
  fs::remove(place.arrays());
  CHECK(place.damage() == "is missing");
  write_file_durably(place.arrays(), whole);
  CHECK(place.damage().empty());
}

TEST_CASE("evaluations are held against what the plan asks", "[unit]") {
  const DamagedPlace place;
  const std::string before = read_file(place.file());
  const auto problems = [&](const std::function<void(Record&)>& change) {
    write_file_durably(place.file(), before);
    place.edit(change);
    return place.problems();
  };
  CHECK_THAT(problems([](Record& record) { record.evaluations[0].numerics_version = 9; }),
             Contains("is not what its id says"));
  CHECK_THAT(problems([](Record& record) { record.evaluations[0].conditions["split"] = "train"; }),
             Contains("split is \"train\", the plan asks for \"test\""));
  CHECK_THAT(problems([](Record& record) { record.evaluations[0].task = "recall"; }),
             Contains("is of recall, the plan asks for \"perplexity\""));
  CHECK_THAT(problems([](Record& record) { record.evaluations[0].reads = "other"; }),
             Contains("another text"));
  CHECK_THAT(problems([](Record& record) { record.evaluations.clear(), record.metrics.clear(); }),
             Contains("0 evaluations, the plan asks for 1"));
}

TEST_CASE("files of the current form without a digest were altered", "[unit]") {
  const DamagedPlace place;
  const std::string before = read_file(place.file());
  const auto without_digest = [](json& written) { written.erase("digest"); };
  place.edit_json(place.file(), without_digest);
  CHECK_THAT(place.problems(), Contains(".json has no digest"));
  place.edit_json(place.file(), [](json& written) { written.erase("schema"); });
  CHECK_THAT(place.problems(), Contains("/schema: is missing"));
  write_file_durably(place.file(), before);
  place.edit_json(place.path / "plan.json", without_digest);
  CHECK_THAT(place.problems(), Contains("plan.json has no digest"));
}

TEST_CASE("a study that is not the plan's is found", "[unit]") {
  const DamagedPlace place;
  Plan plan = read_plan(place.path);
  plan.study_hash = sha256_hex("the study");
  write_plan(place.path, plan);
  CHECK_THAT(place.problems(), Contains("study.json is missing"));
  write_file_durably(place.path / "study.json", "the study");
  CHECK_THAT(place.problems(), !Contains("study.json"));
  write_file_durably(place.path / "study.json", "another");
  CHECK_THAT(place.problems(), Contains("study.json is not the study"));
}

TEST_CASE("a metric that stands twice is damage", "[unit]") {
  const DamagedPlace place;
  place.edit([](Record& record) {
    Metric twice = record.metrics.front();
    twice.conditions["tokens"] = 7;
    record.metrics.push_back(twice);
  });
  CHECK_THROWS_WITH(read_record(place.file()),
                    Contains(".json: /metrics loss_nats: stands there twice of perplexity-"));
  CHECK_THAT(place.problems(), Contains("stands there twice"));
}

TEST_CASE("without a loss no evaluation stands for the trial", "[unit]") {
  Record record;
  for (const int64_t length : {64, 128})
    add_fixture_accuracy("recall", {{"length", length}}, 0.5, 10, record);
  CHECK(record.headline().empty());
  CHECK(record.find_headline("recall_accuracy") == nullptr);
}

TEST_CASE("seeds of different devices are not averaged", "[unit]") {
  const TemporaryFolder place;
  write_fixture(place.path, {},
                {{"a", 1, wavy_losses(3), "bytes", 1, {}, {{"device", "cpu"}}},
                 {"a", 2, wavy_losses(5), "bytes", 1, {}, {{"device", "cuda"}}},
                 {"a", 3, wavy_losses(3.2), "bytes", 1, {}, {{"device", "cpu"}}}});
  const StudyData data = read_study_data(place.path);
  const auto records = data.variant("a").good();
  REQUIRE(records.size() == 3);
  CHECK_FALSE(metric_of(*records[1], "loss_nats"));
  CHECK(readings(records, [](const Record& r) { return metric_of(r, "loss_nats"); }).size() == 2);
  const Report report = build_report(place.path);
  const bool said =
      std::any_of(report.footnotes.begin(), report.footnotes.end(), [](const std::string& note) {
        return note.find("seed 2 of a was evaluated on cuda") != std::string::npos;
      });
  CHECK(said);
}

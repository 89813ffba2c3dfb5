// Losses of unlike text never meet in a table.
#include "analysis/study/unlike_data.h"

#include <catch2/catch.hpp>

#include "analysis/build_report.h"
#include "analysis/print/print.h"
#include "analysis/report/report.h"
#include "analysis/study/compare.h"
#include "analysis/verify.h"
#include "tests/analysis/study_fixture.h"
#include "tests/temporary_folder.h"

using namespace sublab;
using Catch::Contains;

namespace {

/// Three variants of one corpus; what each says of its text can be changed.
struct Place : TemporaryFolder {
  Place() {
    write_fixture(
        path, {},
        {{"a", 1, wavy_losses(3)}, {"b", 1, wavy_losses(2.9)}, {"c", 1, wavy_losses(2.8)}});
    for (const char* variant : {"a", "b", "c"}) say(variant, "1111");
  }
  void edit(const std::string& variant, const std::function<void(Record&)>& change) const {
    const fs::path file = path / "records" / (fixture_id(variant, 1) + ".json");
    Record record = read_record(file);
    change(record);
    write_record(file, record);
  }
  void say(const std::string& variant, const std::string& train,
           const std::string& version = "") const {
    edit(variant, [&](Record& record) {
      record.provenance["corpora"] = {{"a", {{"version", version}, {"train_sha256", train}}}};
    });
  }
};

const Cell& cell(const Report& report, size_t row, const std::string& column) {
  const Table& table = report.tables.at(0);
  for (size_t c = 0; c < table.columns.size(); ++c)
    if (table.columns[c].name == column) return table.rows.at(row).cells.at(c);
  throw std::out_of_range(column);
}

}  // namespace

TEST_CASE("records of another text under the same name lose their losses, and it is said",
          "[unit]") {
  const Place place;
  CHECK(build_report(place.path).facts.front().find("UNLIKE") == std::string::npos);
  CHECK(verify_study(place.path).problems.empty());
  place.say("b", "2222", "2.0");
  const Report report = build_report(place.path);
  CHECK_THAT(report.facts.front(),
             Contains("UNLIKE DATA: the train text of corpus 'a' is not the same") &&
                 Contains("1111 in a@1, c@1") && Contains("2222 in b@1 of package version 2.0"));
  for (const size_t row : {size_t{0}, size_t{1}, size_t{2}})
    for (const char* column : {"loss", "minus a", "verdict", "perplexity", "bits/byte"})
      CHECK_FALSE(cell(report, row, column).value);
  CHECK(cell(report, 1, "verdict").text == "–");
  for (const std::string& format : report_formats())
    CHECK_THAT(report_as(format, report), Contains("is not the same in all records"));
  const StudyData data = read_study_data(place.path);
  const Comparison compared = compare_losses_in_any_unit(data.variant("b"), data.variant("a"));
  CHECK_FALSE(compared.possible);
  CHECK_THAT(compared.reason, Contains("not comparable"));
  const auto problems = verify_study(place.path).problems;
  REQUIRE(problems.size() == 1);
  CHECK_THAT(problems[0], Contains("corpus 'a'"));
}

TEST_CASE("a tokenizer of one name that is two tokenizers is unlike data as well", "[unit]") {
  const Place place;
  const auto tokenizer = [&](const std::string& variant, const std::string& hash) {
    place.edit(variant, [&](Record& record) {
      record.config["data"]["tokenizer"] = "sentencepiece:300";
      record.provenance["tokenizer_hash"] = hash;
    });
  };
  tokenizer("a", "33"), tokenizer("b", "33");
  CHECK(build_report(place.path).facts.front().find("UNLIKE") == std::string::npos);
  tokenizer("b", "44");
  const Report report = build_report(place.path);
  CHECK_THAT(report.facts.front(), Contains("tokenizer 'sentencepiece:300'"));
  CHECK_FALSE(cell(report, 1, "loss").value);
  CHECK(cell(report, 2, "loss").value);  // is of another tokenizer, and alone with it
}

TEST_CASE("a record of another text than its plan names does not follow", "[unit]") {
  const Place place;
  Plan plan = read_plan(place.path);
  plan.content.corpora = {{"a", "", "9999", "", ""}};
  write_plan(place.path, plan);
  const auto problems = verify_study(place.path).problems;
  REQUIRE(problems.size() == 1);
  CHECK_THAT(problems[0], Contains("9999 in the plan"));
}

TEST_CASE("a report names the checkpoint of every trial", "[unit]") {
  const Place place;
  const Report report = build_report(place.path);
  for (const std::string& format : report_formats())
    CHECK_THAT(report_as(format, report),
               Contains("b@1") && Contains("checkpoints/" + fixture_id("b", 1)));
}

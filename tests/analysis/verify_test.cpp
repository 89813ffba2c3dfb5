// Altered files are found, untouched ones are not.
#include "analysis/verify.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "analysis/build_report.h"
#include "analysis/print/print.h"
#include "analysis/report/report.h"
#include "analysis/report_changes.h"
#include "tests/analysis/study_fixture.h"
#include "tests/temporary_folder.h"

using namespace sublab;

namespace {

/// A study of two variants with reports in every form.
struct Place : TemporaryFolder {
  Place() {
    write_fixture(path, {}, {{"a", 1, wavy_losses(3)}, {"b", 1, wavy_losses(2.9)}});
    report();
  }
  void report() const {
    const Report made = build_report(path);
    for (const std::string& format : report_formats())
      write_file_durably(path / ("report." + format), report_as(format, made));
  }
  /// Changes the digit at `at`, or the next one behind it; false when there is none.
  static bool alter(const fs::path& file, size_t at) {
    std::string text = read_file(file);
    at = text.find_first_of("0123456789", at);
    if (at == std::string::npos) return false;
    text[at] = text[at] == '9' ? '1' : static_cast<char>(text[at] + 1);
    write_file_durably(file, text);
    return true;
  }
};

}  // namespace

TEST_CASE("an untouched study follows from its raw data", "[unit]") {
  const Place place;
  const Verification found = verify_study(place.path);
  CHECK(found.problems.empty());
  CHECK(found.records == 3);  // the plan and two records
  CHECK(found.arrays == 4);
  CHECK(found.derived >= 6);
  CHECK(found.report_files == static_cast<int64_t>(report_formats().size()));
}

TEST_CASE("one altered digit is found wherever it stands", "[unit]") {
  const Place place;
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(place.path))
    if (entry.is_regular_file()) files.push_back(entry.path());
  int64_t altered = 0;
  for (const fs::path& file : files) {
    const std::string before = read_file(file);
    for (const double share : {0.0, 0.3, 0.7}) {
      if (!Place::alter(file, static_cast<size_t>(share * static_cast<double>(before.size()))))
        continue;
      ++altered;
      INFO(file.string() << " at " << share);
      bool noticed = false;
      try {
        noticed = !verify_study(place.path).problems.empty();
      } catch (const UserError&) {
        noticed = true;  // the file cannot even be read any more
      }
      CHECK(noticed);
      write_file_durably(file, before);
    }
  }
  CHECK(altered >= 20);
  CHECK(verify_study(place.path).problems.empty());
}

TEST_CASE("numbers of the plan that no table shows are sealed too", "[unit]") {
  const Place place;
  const fs::path path = place.path / "plan.json";
  const std::string before = read_file(path);
  json plan = json::parse(before);
  plan["trials"][0]["train_id"] = "0000000000000000";
  write_file_durably(path, plan.dump(1) + "\n");
  CHECK(verify_study(place.path).problems.size() == 2);  // altered, and not its record's
  plan = json::parse(before);
  plan["measure"] = {{"rounds", 10}};
  write_file_durably(path, plan.dump(1) + "\n");
  CHECK(verify_study(place.path).problems.size() == 1);
}

TEST_CASE("files that no trial left, and a record that is gone, are found", "[unit]") {
  const Place place;
  const std::string id = fixture_id("a", 1);
  const auto problem = [&] {
    const auto found = verify_study(place.path).problems;
    return found.empty() ? std::string() : found.front();
  };
  const fs::path record = place.path / "records" / (id + ".json"),
                 stranger = place.path / "records" / "0123.json",
                 arrays = arrays_path(place.path, id);
  fs::copy_file(record, stranger);
  CHECK(problem().starts_with("records/0123.json is of no trial of the plan"));
  fs::remove(stranger);
  const std::string before = read_file(arrays);
  NpyMembers members = read_npz(arrays);
  members["more"] = npy_array(std::vector<double>{1, 2, 3}, {1, 3});
  write_npz(arrays, members);
  const auto strange = verify_study(place.path).problems;
  REQUIRE(strange.size() == 2);
  CHECK(strange[0].ends_with("is not the file that the trial wrote"));
  CHECK(strange[1].ends_with("more is of no trial: its record does not name it"));
  write_file_durably(arrays, before);
  fs::remove(record);
  CHECK(problem() == "records/" + id + ".json is missing; the arrays of its trial are there");
}

TEST_CASE("a damaged plan is a problem that names the place", "[unit]") {
  const Place place;
  const fs::path path = place.path / "plan.json";
  const json whole = json::parse(read_file(path));
  const auto error_with = [&](const char* pointer, const json& value) -> std::string {
    json plan = whole;
    plan[json::json_pointer(pointer)] = value;
    write_file_durably(path, plan.dump());
    const auto found = verify_study(place.path).problems;
    return found.empty() ? "" : found.front().substr(path.string().size());
  };
  CHECK(error_with("/match", {{{"by", 3}}}) == ": /match/0/by: expected a string, got 3");
  CHECK(error_with("/match", 3) == ": /match: expected a list, got 3");
  CHECK(error_with("/match", {{{"by", "train_tokens"}, {"variants", {"x"}}}})
            .starts_with(": /match/0/variants/0: unknown variant 'x'"));
  CHECK(error_with("/scaling", {{"a", 3}}) == ": /scaling/a: expected a list, got 3");
  CHECK(error_with("/comparisons", {{"a"}})
            .starts_with(": /comparisons/0: expected two names of variants, got 1"));
  CHECK(error_with("/measure", {{"rounds", "x"}})
            .starts_with(": /measure/rounds: expected a whole number"));
  CHECK(error_with("/compare_to", "z").starts_with(": /compare_to: unknown variant 'z'"));
  CHECK(error_with("/trials/0/config", json::object())
            .starts_with(": /trials/0/config/model: expected an object"));
  CHECK(error_with("/trials/0/id", "../x") == ": /trials/0/id: '../x' is no id");
  CHECK(error_with("/variants", {"a", "b", "a"}) == ": /variants: names a variant twice");
}

TEST_CASE("a record that was sealed anew is held against its arrays", "[unit]") {
  const Place place;
  const fs::path path = place.path / "records" / (fixture_id("a", 1) + ".json");
  Record record = read_record(path);
  record.metrics[0].value = *record.metrics[0].value - 0.001;
  write_record(path, record);
  const auto problems = verify_study(place.path).problems;
  const bool named = std::any_of(problems.begin(), problems.end(), [](const std::string& p) {
    return p.find("loss_nats of perplexity-") != std::string::npos;
  });
  CHECK(named);
}

TEST_CASE("a forged member, and one that the policy keeps and that is gone, are found", "[unit]") {
  const Place place;
  const std::string id = fixture_id("a", 1);
  const fs::path path = place.path / "records" / (id + ".json");
  const Record whole = read_record(path);
  const std::string documents = member_name(array::kDocuments, whole.evaluations.front().id);
  NpyMembers members = read_npz(arrays_path(place.path, id));
  // The file's own hash was forged along: the member's tells.
  members[documents].bytes[0] ^= 1;
  write_npz(arrays_path(place.path, id), members);
  Record record = whole;
  record.arrays.sha256 = sha256_hex(read_file(arrays_path(place.path, id)));
  write_record(path, record);
  auto problems = verify_study(place.path).problems;
  REQUIRE_FALSE(problems.empty());
  CHECK_THAT(problems.front(), Catch::Contains("is not the array that the trial wrote"));
  members.erase(documents);
  write_npz(arrays_path(place.path, id), members);
  record.arrays.sha256 = sha256_hex(read_file(arrays_path(place.path, id)));
  write_record(path, record);
  problems = verify_study(place.path).problems;
  REQUIRE_FALSE(problems.empty());
  CHECK_THAT(problems.front(), Catch::Contains(documents + " is missing"));
  // That the record says it was left out is no excuse.
  record.arrays.members.erase(documents);
  record.arrays.left_out = {documents};
  write_record(path, record);
  CHECK_THAT(verify_study(place.path).problems.front(), Catch::Contains(documents + " is missing"));
}

TEST_CASE("an array that the policy does not keep may be missing", "[unit]") {
  const Place place;
  const fs::path path = place.path / "records" / (fixture_id("a", 1) + ".json");
  Record record = read_record(path);
  const std::string id = record.evaluations.front().id;
  record.arrays.left_out = {member_name(array::kTokenLosses, id)};
  write_record(path, record);
  const Verification found = verify_study(place.path);
  CHECK(found.problems.empty());
  CHECK(found.left_out == 1);
  record.arrays.left_out = {member_name(array::kDepths, id)};  // a table reads the first seed's
  write_record(path, record);
  CHECK(verify_study(place.path).problems.size() == 1);
  record.evaluations.front().asked_for = {array::kTokenLosses};
  record.arrays.left_out = {member_name(array::kTokenLosses, id)};
  write_record(path, record);
  CHECK(verify_study(place.path).problems.size() == 1);
}

TEST_CASE("a difference is named by line", "[unit]") {
  CHECK(first_difference("a\nb", "a\nb").empty());
  CHECK(first_difference("a\nloss 2.5", "a\nloss 2.6") ==
        "line 2: 'loss 2.5' instead of 'loss 2.6'");
  CHECK(first_difference("a", "a\nb").starts_with("line 1"));
}

TEST_CASE("what moved between two reports is listed", "[unit]") {
  const Place place;
  const json before = parse_json(report_as_json(build_report(place.path)), "before");
  CHECK(report_changes(before, before).empty());
  CHECK(changes_as_text({}) == "Nothing moved.\n");
  TemporaryFolder later;
  write_fixture(later.path, {},
                {{"a", 1, wavy_losses(3)}, {"b", 1, wavy_losses(2.5)}, {"c", 1, wavy_losses(3)}});
  const json after = parse_json(report_as_json(build_report(later.path)), "after");
  const auto changes = report_changes(before, after);
  const auto find = [&](const std::string& row, const std::string& column) {
    for (const CellChange& each : changes)
      if (each.table == "Quality" && each.row == row && each.column == column) return each;
    return CellChange{};
  };
  CHECK(find("b", "loss").beyond);
  CHECK(*find("b", "loss").ratio < 0.9);
  CHECK(find("a", "loss").table.empty());
  CHECK(find("c", "loss").before.empty());
  CHECK(changes_as_text(changes).find("beyond its interval") != std::string::npos);
}

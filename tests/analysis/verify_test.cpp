#include "analysis/verify.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "analysis/report.h"
#include "analysis/report_changes.h"
#include "tests/analysis/study_fixture.h"
#include "tests/temporary_folder.h"

using namespace sublab;

namespace {

std::vector<double> losses(double mean) {
  std::vector<double> out;
  for (int d = 0; d < 30; ++d) out.push_back(mean + 0.3 * std::sin(1.7 * d));
  return out;
}

/// A study of two variants with reports in every form.
struct Place : TemporaryFolder {
  Place() {
    write_fixture(path, {}, {{"a", 1, losses(3)}, {"b", 1, losses(2.9)}});
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
  CHECK(found.records == 2);
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

TEST_CASE("a record that was sealed anew is held against its arrays", "[unit]") {
  const Place place;
  const fs::path path = place.path / "records" / (short_hash(std::string("a") + "1") + ".json");
  Record record = read_record(path);
  record.metrics[0].value = *record.metrics[0].value - 0.001;
  write_record(path, record);
  const auto problems = verify_study(place.path).problems;
  const bool named = std::any_of(problems.begin(), problems.end(), [](const std::string& p) {
    return p.find("valid_loss_nats is") != std::string::npos;
  });
  CHECK(named);
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
  write_fixture(later.path, {}, {{"a", 1, losses(3)}, {"b", 1, losses(2.5)}, {"c", 1, losses(3)}});
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

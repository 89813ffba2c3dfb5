// Results that were packed on another machine become studies here, or are refused whole.
#include <catch2/catch.hpp>

#include "tests/experiments/shell.h"

using namespace sublab;
using Catch::Contains;

namespace {

/// A study that was run, and its folder packed as gpu_tiny in tiny.tar.gz.
struct Packed : Workplace {
  Packed() {
    write("tiny.json", study().dump());
    REQUIRE(run("run tiny.json --out away/gpu_tiny").code == 0);
    pack();
  }
  void shell(const std::string& line) const {
    REQUIRE(std::system(("cd " + path("").string() + " && " + line).c_str()) == 0);
  }
  void pack(const std::string& what = "gpu_tiny", const std::string& options = "") const {
    shell("tar -C away -czf tiny.tar.gz --exclude=checkpoints --exclude=work " + options + " " +
          what);
  }
  std::string record() const {
    return fs::directory_iterator(path("away/gpu_tiny/records"))->path().filename().string();
  }
  std::string refusal() const {
    const Ran ran = run("import-results tiny.tar.gz");
    CHECK(ran.code == 2);
    CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
    return ran.err;
  }
};

}  // namespace

TEST_CASE("packed studies come home, grow, and follow from their raw data", "[end_to_end]") {
  const Packed place;
  const fs::path home = place.path("results/gpu_tiny");
  place.pack("gpu_tiny/plan.json gpu_tiny/study.json gpu_tiny/records/" + place.record() +
             " gpu_tiny/arrays/" + fs::path(place.record()).stem().string() + ".npz");
  const Ran first = place.run("import-results tiny.tar.gz");
  INFO(first.err);
  CHECK(first.code == 0);
  CHECK_THAT(first.out, Contains("gpu_tiny: 1 of 2 trials"));
  place.pack();
  CHECK_THAT(place.run("import-results tiny.tar.gz").out, Contains("2 of 2 trials (grown)"));
  CHECK(place.run("verify results/gpu_tiny").code == 0);
  CHECK_FALSE(fs::exists(home / "checkpoints"));

  const std::string report = read_file(home / "report.md");
  place.pack("gpu_tiny/plan.json gpu_tiny/study.json gpu_tiny/records gpu_tiny/arrays",
             "--exclude=" + place.record());
  CHECK_THAT(place.refusal(), Contains("is missing; the arrays of its trial are there"));
  fs::remove(place.path("away/gpu_tiny/arrays") /
             (fs::path(place.record()).stem().string() + ".npz"));
  fs::remove(place.path("away/gpu_tiny/records") / place.record());
  place.pack();
  CHECK_THAT(place.refusal(), Contains("is there with another"));
  CHECK(read_file(home / "report.md") == report);
  CHECK(fs::directory_iterator(place.path("results")) != fs::directory_iterator());
  for (const auto& entry : fs::directory_iterator(place.path("results")))
    CHECK(entry.path() == home);  // nothing half-written stays
}

TEST_CASE("archives that are none, or reach outside, are refused", "[end_to_end]") {
  const Packed place;
  const fs::path record = place.path("away/gpu_tiny/records") / place.record();
  std::string altered = read_file(record);
  const size_t digit = altered.find('"', altered.find(':', altered.rfind("\"digest\""))) + 1;
  altered[digit] = altered[digit] == '0' ? '1' : '0';
  write_file_durably(record, altered);
  place.pack();
  CHECK_THAT(place.refusal(), Contains("does not follow from its raw data"));
  CHECK_FALSE(fs::exists(place.path("results/gpu_tiny")));

  place.shell("mv away/gpu_tiny away/tiny");
  place.pack("tiny");
  CHECK_THAT(place.refusal(), Contains("allowed are files below a folder gpu_NAME"));
  place.pack("tiny/plan.json", "--transform=s,tiny,gpu_tiny/../..,");
  CHECK_THAT(place.refusal(), Contains("holds 'gpu_tiny/../../plan.json'"));
  place.pack("tiny/plan.json", "-P --transform=s,tiny,/tmp,");
  CHECK_THAT(place.refusal(), Contains("holds '/tmp/plan.json'"));
  place.shell("mkdir away/gpu_link && ln -s /etc away/gpu_link/etc");
  place.pack("gpu_link");
  CHECK_THAT(place.refusal(), Contains("no file and no folder"));
  place.write("tiny.tar.gz", "no archive");
  CHECK_THAT(place.refusal(), Contains("is no whole tar archive"));
  fs::remove(place.path("tiny.tar.gz"));
  CHECK_THAT(place.refusal(), Contains("there is no such file"));
}

// A study that was forged, digests and report with it, is found by doing its trials again.
#include <catch2/catch.hpp>

#include "analysis/build_report.h"
#include "analysis/print/print.h"
#include "core/hash.h"
#include "core/npz.h"
#include "core/schema/arrays.h"
#include "core/schema/plan.h"
#include "core/schema/record.h"
#include "tests/experiments/shell.h"

using namespace sublab;
using Catch::Contains;

namespace {

/// A study of one trial; edits are sealed anew, as a forger would.
struct Forger {
  Forger() {
    json study = place.study();
    study["variants"].erase("subllm");
    study["variants"]["wide"] = {{"model.d_model", 24}};
    study["base"]["evaluate"][0]["max_document_tokens"] = 100;  // several documents
    study["comparisons"] = json::array({json::array({"wide", "llama"})});
    place.write("tiny.json", study.dump());
    REQUIRE(place.run("run tiny.json").code == 0);
  }
  fs::path folder() const { return place.path("results/tiny"); }
  template <class F>
  void records(const F& edit) const {
    for (Record record : read_records(folder())) {
      edit(record);
      write_record(folder() / "records" / (record.id + ".json"), record);
    }
  }
  /// What `verify` says once the report is made anew: nothing, for its digests are right.
  void check_sealed() const {
    REQUIRE(place.run("report results/tiny --format md --out results/tiny/report.md").code == 0);
    const Ran ran = place.run("verify results/tiny");
    INFO(ran.out);
    CHECK(ran.code == 0);
  }
  std::string rerun() const {
    const Ran ran = place.run("verify results/tiny --rerun 2");
    CHECK(ran.code == 4);
    return ran.out;
  }
  Workplace place;
};

}  // namespace

TEST_CASE("losses of documents that keep their sum are found by doing the trial again",
          "[end_to_end]") {
  const Forger forger;
  forger.records([&](Record& record) {
    const fs::path path = arrays_path(forger.folder(), record.id);
    NpyMembers arrays = read_npz(path);
    const std::string name = member_name(array::kDocuments, record.evaluations.at(0).id);
    NpyArray& documents = arrays.at(name);
    std::vector<double> losses = documents.as_doubles();
    REQUIRE(documents.shape.at(0) > 1);
    losses[0] += 0.25;  // sums over the tokens of a document: what one gains the other loses
    losses[array::kDocumentColumns] -= 0.25;
    documents = npy_array(losses, documents.shape);
    write_npz(path, arrays);
    record.arrays.members[name] = sha256_hex(npy_bytes(documents));
    record.arrays.sha256 = sha256_hex(read_file(path));
  });
  forger.check_sealed();
  CHECK_THAT(forger.rerun(), Contains("documents: number 0 came out as"));
}

TEST_CASE("an altered verdict of the audit is found by doing the trial again", "[end_to_end]") {
  const Forger forger;
  forger.records([](Record& record) { record.audit["verdict"] = "leaks(position 1, margin 1)"; });
  forger.check_sealed();
  CHECK_THAT(forger.rerun(), Contains("the audit says 'causal' instead of 'leaks("));
}

TEST_CASE("altered comparisons of a plan are found by resolving its study", "[end_to_end]") {
  const Forger forger;
  const Ran fine = forger.place.run("verify results/tiny --rerun 2 --from-scratch --json");
  INFO(fine.out << fine.err);
  CHECK(fine.code == 0);
  const json found = json::parse(fine.out);
  CHECK(found.at("plan").at("problems").empty());
  CHECK(found.at("trials_done") == 2);
  for (const json& each : found.at("reruns")) {
    CHECK(each.at("verdict") == "comes again");
    CHECK(each.at("from_checkpoint") == false);
    CHECK(each.at("arrays") > 2);
    CHECK(each.at("audit_checks") > 10);
  }
  Plan plan = read_plan(forger.folder());
  plan.comparisons = {{"llama", "wide"}};
  write_plan(forger.folder(), plan);
  forger.check_sealed();
  CHECK_THAT(forger.rerun(), Contains("plan.json: comparisons is [[\"llama\",\"wide\"]]"));
}

TEST_CASE("rounding alone is measured and named", "[end_to_end]") {
  const Forger forger;
  const Ran ran = forger.place.run("verify results/tiny --rerun 1 --noise-floor --json");
  INFO(ran.out << ran.err);
  CHECK(ran.code == 0);
  const json noise = json::parse(ran.out).at("reruns").at(0).at("noise_floor");
  REQUIRE(noise.size() == 2);
  for (const json& each : noise) {
    CHECK(each.at("metric") == "loss_nats");
    CHECK(std::abs(each.at("difference").get<double>()) < 0.1);
  }
  CHECK_THAT(noise[0].at("changed").get<std::string>(), Contains("threads"));
  CHECK_THAT(forger.place.run("verify results/tiny --noise-floor").err, Contains("--rerun"));
}

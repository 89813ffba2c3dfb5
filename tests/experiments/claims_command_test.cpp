// `sublab claims` as a user runs it, and claims as a part of a study.
#include <catch2/catch.hpp>

#include "tests/analysis/claims_fixture.h"
#include "tests/experiments/shell.h"

using namespace sublab;
using Catch::Contains;

namespace {

void check_line(const Ran& ran, const std::string& expected) {
  INFO(ran.err);
  CHECK(ran.code == 2);
  CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
  CHECK_THAT(ran.err, Contains("sublab: ") && Contains(expected));
}

/// The fixture's folder "study" and the files of claims that the cases name.
struct ClaimsPlace : Workplace {
  ClaimsPlace() {
    ClaimsFixture().write(path("study"));
    write("good.json", json::array({fixture_claim()}).dump());
    write("slow.json", json::array({fixture_claim({{"metric", "speedup_prefill"}})}).dump());
    write("other.json", json::array({fixture_claim({{"protocol", {{"retention", 0.8}}}})}).dump());
  }
};

}  // namespace

TEST_CASE("claims: verdicts decide the exit code", "[end_to_end]") {
  const ClaimsPlace place;
  Ran ran = place.run("claims study --claims good.json");
  CHECK(ran.code == 0);
  CHECK(
      ran.out.starts_with("1 reproduced, 0 direction only, 0 not reproduced, 0 not comparable\n"));
  CHECK_THAT(ran.out, Contains("because: the same protocol, within the tolerance, and the effect "
                               "is clear\n"));
  CHECK_THAT(ran.out, Contains("SUBLLM is 1.25 times as fast (a paper, speedup_train)") &&
                          Contains("1.250 [1.250, 1.250]") && Contains("reproduced"));
  CHECK(place.run("claims study --claims other.json").code == 3);
  CHECK(place.run("claims study --claims good.json --add slow.json").code == 4);
  CHECK_THAT(place.run("claims study --claims slow.json").out,
             Contains("because: the effect is clearly on the other side of 1.000\n"));
  CHECK_THAT(place.run("claims study --claims other.json").out,
             Contains("because: retention: 0.8 there, 0.64 here\n"));
  // By default the files that come with the program: SUBLLM trains faster here, and infers slower.
  ran = place.run("claims study --add good.json");
  CHECK(ran.code == 4);
  CHECK_THAT(ran.out, Contains("not reproduced (opposite)") && Contains("direction only") &&
                          Contains("yarn") && Contains("no such variant here (--all lists them)"));
  CHECK_THAT(ran.out, !Contains("Claims tied to hardware"));
  CHECK_THAT(place.run("claims study --all").out, Contains("Claims tied to hardware"));
  const json listed = json::parse(place.run("claims study --json").out);
  CHECK(listed.size() > 150);
  ran = place.run("claims study --claims good.json --json");
  const json line = json::parse(ran.out).at(0);
  CHECK(line.at("verdict") == "reproduced");
  CHECK(line.at("measured").at("value") == 1.25);
}

TEST_CASE("claims: bad input is one line and exit 2", "[end_to_end]") {
  const ClaimsPlace place;
  const auto added = [&](const std::string& text) {
    place.write("bad.json", text);
    return place.run("claims study --add bad.json");
  };
  check_line(added("[ {"), "bad.json: is not valid JSON at line 1");
  check_line(added(json::array({fixture_claim({{"expcted", 1}})}).dump()),
             "bad.json: /0: unknown key 'expcted'; did you mean 'expected'?");
  check_line(added(json::array({fixture_claim({{"metric", "speedup_trian"}})}).dump()),
             "/0/metric: unknown metric 'speedup_trian'");
  std::string text = json::array({fixture_claim()}).dump();
  text.replace(text.find("1.25,"), 4, "NaN");
  check_line(added(text), "bad.json: is not valid JSON");
  check_line(place.run("claims study --add nowhere.json"), "nowhere.json: does not exist");
  check_line(place.run("claims study --claims sublm"), "did you mean 'subllm'?");
  check_line(place.run("claims notes"), "holds no study");
}

TEST_CASE("claims of a study are checked when it is read, and stand in its report",
          "[end_to_end]") {
  const ClaimsPlace place;
  const auto run = [&](const json& claims) {
    place.write("tiny.json", place.study({{"claims", claims}}).dump());
    return place.run("run tiny.json --out tiny");
  };
  check_line(run(json::array({"sublm"})), "tiny.json: /claims/0: unknown claims 'sublm'");
  check_line(run(json::array({fixture_claim({{"metric", "speed"}})})),
             "/claims/0/metric: unknown metric");
  check_line(run(json::array({3})), "/claims/0: expected a claim");
  CHECK_FALSE(fs::exists(place.path("tiny")));
  const json inline_claim = fixture_claim({{"metric", "perplexity"}, {"expected", 3}});
  CHECK(run(json::array({"subllm", inline_claim})).code == 0);
  const std::string report = read_file(place.path("tiny/report.md"));
  CHECK_THAT(report, Contains("### Claims") && Contains("SUBLLM trains 26 % faster than LLaMA") &&
                         Contains("metric not measured: speedup_train"));
  CHECK(json::parse(read_file(place.path("tiny/plan.json"))).at("claims").size() == 17);
}

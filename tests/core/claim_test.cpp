// Claims are read strictly.
#include "core/schema/claim.h"

#include <catch2/catch.hpp>

#include "tests/analysis/claims_fixture.h"

using namespace sublab;
using Catch::Contains;

namespace {

void check_refused(const json& edits, const std::string& expected) {
  CHECK_THROWS_WITH(read_claim(fixture_claim(edits), "f.json: /0"), Contains(expected));
}

void check_file_refused(const std::string& text, const std::string& expected) {
  const TemporaryFolder folder;
  const fs::path file = folder.path / "mine.json";
  write_file_durably(file, text);
  CHECK_THROWS_AS(read_claims_file(file), UserError);
  CHECK_THROWS_WITH(read_claims_file(file), Contains("mine.json") && Contains(expected));
}

}  // namespace

TEST_CASE("a claim reads and writes", "[unit]") {
  const Claim claim = read_claim(fixture_claim({{"note", "n"}, {"hardware", true}}), "f.json: /0");
  CHECK(claim.expected == 1.25);
  CHECK(claim.tolerance.ratio == 0.05);
  CHECK_FALSE(claim.tolerance.absolute);
  CHECK(claim.hardware);
  CHECK(write_fields(read_claim(write_fields(claim), "again")) == write_fields(claim));
}

TEST_CASE("mistakes in a claim are refused by place, value and what is allowed", "[unit]") {
  check_refused({{"expcted", 2}}, "f.json: /0: unknown key 'expcted'; did you mean 'expected'?");
  check_refused({{"metric", "speedup_trian"}},
                "/0/metric: unknown metric 'speedup_trian'; did you mean 'speedup_train'?");
  check_refused({{"metric", "_accuracy"}}, "unknown metric '_accuracy'");
  check_refused({{"metric", "speedup_train_difference"}}, "unknown metric");
  check_refused({{"expected", "NaN"}}, "/0/expected: expected a number, got \"NaN\"");
  check_refused({{"expected", nullptr}}, "lacks 'expected'");
  check_refused({{"protocol", {{"architecture", nullptr}}}}, "/0/protocol: lacks 'architecture'");
  check_refused({{"protocol", {{"contxt", 3}}}}, "did you mean 'context'?");
  check_refused({{"protocol", {{"context", {1, 2}}}}}, "/0/protocol/context: expected a number");
  check_refused({{"protocol", {{"mode", "inferense"}}}}, "did you mean 'inference'?");
  check_refused({{"protocol", 3}}, "/0/protocol: expected an object");
  check_refused({{"scale", {"d_modle"}}}, "/0/scale/0: unknown field of this protocol 'd_modle'");
  check_refused({{"tolerance", {{"absolute", 1}}}}, "/0/tolerance: says either");
  check_refused({{"tolerance", {{"ratio", nullptr}}}}, "/0/tolerance: says either");
  check_refused({{"tolerance", {{"ratio", -1}}}}, "/0/tolerance/ratio: -1 is out of range");
  check_refused({{"above", 1}}, "/0/above: has no effect");
  check_refused({{"scale", "context"}}, "/0/scale: expected a list");
}

TEST_CASE("a damaged file of claims is refused", "[unit]") {
  check_file_refused("[ {", "is not valid JSON at line 1");
  check_file_refused("{}", "expected a list of claims");
  std::string text = json::array({fixture_claim()}).dump();
  text.replace(text.find("1.25,"), 4, "NaN");
  check_file_refused(text, "is not valid JSON");
  text = json::array({fixture_claim()}).dump();
  text.replace(text.find("1.25,"), 4, "1e999");
  check_file_refused(text, "a number too large");
  CHECK_THROWS_WITH(read_claims_file("/nowhere/mine.json"), Contains("does not exist"));
}

TEST_CASE("the claims that come with the program are sound", "[unit]") {
  size_t n = 0;
  for (const auto& entry :
       fs::directory_iterator(fs::path(SUBLAB_SOURCE_ROOT) / "experiments/claims")) {
    INFO(entry.path().string());
    const ClaimSet set = read_claims_file(entry.path());
    CHECK_FALSE(set.claims.empty());
    for (const Claim& claim : set.claims)
      CHECK_FALSE((claim.claim.empty() || claim.source.empty()));
    n += set.claims.size();
  }
  CHECK(n > 150);
}

// What is published under results/ is what this program makes of its raw data.
#include <catch2/catch.hpp>

#include "analysis/verify.h"

using namespace sublab;

TEST_CASE("every kept study follows from its records, reports included", "[unit]") {
  size_t n_studies = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(SUBLAB_SOURCE_ROOT) / "results")) {
    if (!fs::exists(entry.path() / "plan.json")) continue;
    ++n_studies;
    INFO(entry.path().filename().string());
    CHECK(verify_study(entry.path()).problems == std::vector<std::string>());
  }
  CHECK(n_studies > 0);
}

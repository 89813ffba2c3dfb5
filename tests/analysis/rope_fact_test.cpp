// Reports name how the rotary positions of each variant are stretched.
#include <catch2/catch.hpp>

#include "analysis/tables/tables.h"
#include "analysis/text/rope_text.h"
#include "tests/analysis/study_fixture.h"
#include "tests/temporary_folder.h"

using namespace sublab;

TEST_CASE("a rope is told with every setting, and nothing is told of plain ones",
          "[unit][context]") {
  CHECK(rope_text(json::object()).empty());
  CHECK(rope_text({{"rope", {{"type", "none"}}}}).empty());
  CHECK(rope_text({{"rope",
                    {{"type", "yarn"},
                     {"factor", 4.0},
                     {"original_context_len", 256},
                     {"ramp", "code"},
                     {"truncate", true},
                     {"mscale", nullptr}}}}) ==
        "yarn (factor 4, original_context_len 256, ramp code, truncate true)");
}

TEST_CASE("the report names the rope of each variant, the form of its ramp too",
          "[unit][context]") {
  const TemporaryFolder place;
  write_fixture(place.path, {},
                {{"a", 1, wavy_losses(3)}, {"b", 1, wavy_losses(2.9)}, {"c", 1, wavy_losses(2.8)}});
  StudyData data = read_study_data(place.path);
  const auto ropes_in = [&] {
    Report report;
    add_facts(data, {}, report);
    std::string out;
    for (const std::string& fact : report.facts)
      if (fact.starts_with("Rotary positions: ")) out += fact;
    return out;
  };
  CHECK(ropes_in().empty());
  const auto stretch = [&](const char* variant, const json& rope) {
    for (VariantData& each : data.variants)
      if (each.name == variant) each.records.front().config["model"]["rope"] = rope;
  };
  const json paper = {{"type", "yarn"}, {"factor", 4.0}, {"ramp", "paper"}};
  stretch("b", paper);
  stretch("c", paper);
  CHECK(ropes_in() ==
        "Rotary positions: yarn (factor 4, ramp paper) in b, c; as trained in the others.");
  stretch("a", {{"type", "linear"}, {"factor", 2.0}});
  CHECK(ropes_in() ==
        "Rotary positions: linear (factor 2) in a; yarn (factor 4, ramp paper) in b, c.");
}

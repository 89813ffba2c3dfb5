// Names by their content.
#include "core/schema/plan_content.h"

#include <catch2/catch.hpp>

using namespace sublab;

TEST_CASE("what a name stands for is compared where both sides know it", "[unit]") {
  const PlanContent before{{{"notes", "1", "aa", "bb", "cc"}, {"old", "", "dd", "", ""}},
                           {{"x.model", "11"}},
                           {{"ckpt", "22"}}};
  CHECK(content_differences(before, before).empty());
  CHECK(content_differences(before, {}).empty());
  CHECK(content_differences({}, before).empty());
  PlanContent now = before;
  now.corpora[1].validation = "ee";  // an older plan did not say
  CHECK(content_differences(before, now).empty());
  now.corpora[0] = {"notes", "2", "a2", "bb", "c2"};
  now.tokenizers[0].hash = "12";
  now.checkpoints[0].hash = "23";
  CHECK(content_differences(before, now) ==
        std::vector<std::string>{
            "corpus 'notes' has another content now (train, test text differs; package version 2 "
            "instead of 1)",
            "tokenizer 'x.model' has another content now (hash 12 instead of 11)",
            "checkpoint 'ckpt' has another content now (hash 23 instead of 22)"});
}

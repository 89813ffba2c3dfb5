// The commands on folders in the layout of SUBLLM's published code.
#include <catch2/catch.hpp>

#include "core/npy.h"
#include "tests/parity/subllm_folders.h"

using namespace sublab;
using Catch::Contains;

TEST_CASE("the commands work on a folder in the SUBLLM layout", "[end_to_end]") {
  const Workplace place;
  const std::string folder = (kData / "nested").string();
  const auto refused = [&](const std::string& arguments, const std::string& expected) {
    const Ran ran = place.run(arguments);
    INFO(ran.err);
    CHECK(ran.code == 2);
    CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
    CHECK_THAT(ran.err, Contains(expected));
  };
  CHECK(place.run("import " + folder + " ours").code == 0);
  CHECK(place.run("export ours public --layout subllm").code == 0);
  CHECK(same_tensors(kData / "nested", place.path("public")));
  CHECK(place
            .run("logits public --tokens " + folder + "/tokens.json --out logits.npy" +
                 " --set model.positions=level_local")
            .code == 0);
  CHECK(read_npy(place.path("logits.npy")).shape == std::vector<int64_t>{29, 31});
  CHECK(place.run("audit public").code == 0);
  refused("export ours hf", "transformers has no 'subllm'");
  refused("export ours other --layout subllmm", "--layout");
  const Copy spoilt("nested");
  spoilt.set("decoder.embed_tokens.weight", INFINITY);
  refused("logits " + spoilt.path.string() + " --tokens " + folder + "/tokens.json --out l.npy",
          "decoder.embed_tokens.weight: holds NaN or infinity");
}

// The script of the quarter hour says in one line what a machine lacks, before it does anything.
#include <catch2/catch.hpp>

#include "tests/experiments/shell.h"

using namespace sublab;
using Catch::Contains;

namespace {

/// A tree that holds the script and nothing else, and a machine made up around it.
struct Bare : Workplace {
  Bare() {
    fs::create_directories(path("tree/bench"));
    fs::copy(fs::path(SUBLAB_SOURCE_ROOT) / "bench/gpu", path("tree/bench/gpu"));  // files only
  }
  void smi(const std::string& lines) const {
    write("bin/nvidia-smi", "#!/bin/sh\n" + lines + "\n");
    fs::permissions(path("bin/nvidia-smi"), fs::perms::owner_all);
  }
  void libtorch(const std::vector<std::string>& names) const {
    for (const std::string& name : names) write("torch/lib/" + name, "");
  }
  /// What it says of these arguments; one line, and exit 2.
  std::string refusal(const std::string& arguments) const {
    const Ran ran =
        run(arguments, "PATH=$PWD/bin:$PATH LIBTORCH=$PWD/torch", "tree/bench/gpu/quarter_hour.sh");
    CHECK(ran.code == 2);
    CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
    CHECK(ran.out.empty());
    return ran.err;
  }
};

}  // namespace

TEST_CASE("what the quarter hour cannot do it refuses in one line", "[end_to_end]") {
  const Bare place;
  CHECK_THAT(place.refusal("--minutes soon"), Contains("--minutes 'soon' is no number"));
  CHECK_THAT(place.refusal("--minutes 0"), Contains("must be above 0"));
  CHECK_THAT(place.refusal("--minutes"), Contains("--minutes needs a number"));
  CHECK_THAT(place.refusal("--minute 3"), Contains("unknown option '--minute'"));
  place.smi("echo 'NVIDIA-SMI has failed' && exit 9");
  CHECK_THAT(place.refusal(""), Contains("no GPU: nvidia-smi shows none"));
  place.smi("echo '570.86.15, 9.0'");
  CHECK_THAT(place.refusal(""), Contains("driver 570.86.15 is too old: CUDA 13 needs 580"));
  place.smi("echo '580.159.04, 9.0'");
  CHECK_THAT(place.refusal(""), Contains("no LibTorch"));
  place.libtorch({"libtorch_cpu.so"});
  CHECK_THAT(place.refusal(""), Contains("is without CUDA"));
  place.libtorch({"libtorch_cuda.so"});
  CHECK_THAT(place.refusal(""), Contains("run bench/gpu/prepare.sh"));
}

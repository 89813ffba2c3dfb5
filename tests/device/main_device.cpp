// Catch's main for the tests on a device. Exits with 77, which ctest counts as skipped, where the
// device is not there.
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "experiments/machine/device.h"
#include "tests/device/device.h"
#include "tests/models/second_device.h"

namespace sublab {
namespace {

std::string name_under_test() {
  const char* given = std::getenv("SUBLAB_TEST_DEVICE");
  return given && *given ? given : "cuda";
}

}  // namespace

at::Device device_under_test() {
  static const at::Device device = name_under_test() == "second"
                                       ? second_device()
                                       : find_device(name_under_test(), "SUBLAB_TEST_DEVICE");
  return device;
}

}  // namespace sublab

int main(int argc, char** argv) {
  constexpr int kSkipped = 77;
  try {
    sublab::device_under_test();
  } catch (const std::exception& error) {
    std::printf("skipped: %s\n", error.what());
    return kSkipped;
  }
  return Catch::Session().run(argc, argv);
}

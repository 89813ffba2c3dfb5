// Which device a name means, how its work is timed, and what is known of a card.
#include "experiments/machine/device.h"

#include <catch2/catch.hpp>

#include "core/error.h"
#include "experiments/machine/nvml.h"
#include "experiments/machine/stopwatch.h"
#include "experiments/machine/tensor_memory.h"
#include "tests/models/second_device.h"

using namespace sublab;
using Catch::Contains;

TEST_CASE("devices are named, and a missing one is refused in one line", "[unit]") {
  CHECK(find_device("cpu", "--device") == at::kCPU);
  CHECK_THROWS_WITH(find_device("gpu", "--device"), Contains("--device") && Contains("'gpu'") &&
                                                        Contains("cpu, cuda, cuda:N, auto"));
  for (const char* name : {"cuda:", "cuda:x", "cuda:1234567890", "cuda:-1", "", "CPU"})
    CHECK_THROWS_AS(find_device(name, "--device"), UserError);
  if (at::hasCUDA()) return;
  CHECK(find_device("auto", "--device") == at::kCPU);
  CHECK_THROWS_WITH(find_device("cuda:1", "/device"),
                    Contains("/device") && Contains("cuda:1") && Contains("use cpu or auto"));
}

TEST_CASE("the kind of a device is its name in identities", "[unit]") {
  CHECK(device_kind(at::kCPU) == "cpu");
  CHECK(device_kind(at::Device(at::kCUDA, 1)) == "cuda");
  CHECK(device_kind("cuda:3") == "cuda");
  CHECK(device_kind("cpu") == "cpu");
  CHECK(card_state(at::kCPU).is_null());
}

TEST_CASE("throttle reasons are named bit by bit", "[unit]") {
  CHECK(throttle_reasons(0).empty());
  CHECK(throttle_reasons(0x4 | 0x40) == std::vector<std::string>{"sw_power_cap", "hw_thermal"});
}

TEST_CASE("a stopwatch times a device's work by its events", "[unit]") {
  const Stopwatch here(at::kCPU), there(second_device());
  const at::Tensor x = at::ones({64, 64}).to(second_device());
  for (int i = 0; i < 3; ++i) x.mm(x);
  const double on_host = here.seconds(), on_device = there.seconds();
  CHECK(on_host > 0);
  CHECK(on_device > 0);
  CHECK(n_device_events() == 2);
}

TEST_CASE("a device without a caching allocator says nothing of its memory", "[unit]") {
  CHECK_FALSE(device_memory(at::kCPU));
  CHECK_FALSE(device_memory(second_device()));
  CHECK(live_tensor_bytes(second_device()) == 0);
}

// Which device a name means, how its work is timed, and what is known of a card.
#include "experiments/machine/device.h"

#include <catch2/catch.hpp>

#include "core/error.h"
#include "experiments/machine/memory_room.h"
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
  const int64_t before = n_device_events();
  const Stopwatch here(at::kCPU), there(second_device());
  const at::Tensor x = at::ones({64, 64}).to(second_device());
  for (int i = 0; i < 3; ++i) x.mm(x);
  const double on_host = here.seconds(), on_device = there.seconds();
  CHECK(on_host > 0);
  CHECK(on_device > 0);
  CHECK(n_device_events() == before + 2);
}

TEST_CASE("laps time each piece of a device's work by an event, and wait once", "[unit]") {
  const at::Tensor x = at::ones({64, 64}).to(second_device());
  const int64_t before = n_device_events();
  Laps here(at::kCPU), there(second_device());
  for (int i = 0; i < 3; ++i) {
    x.mm(x);
    here.mark();
    there.mark();
  }
  CHECK(here.n_laps() == 3);
  CHECK(n_device_events() == before + 4);  // none for the CPU
  const auto on_host = here.seconds(), on_device = there.seconds();
  REQUIRE(on_host.size() == 3);
  REQUIRE(on_device.size() == 3);
  for (size_t i = 0; i < 3; ++i) {
    CHECK(on_host[i] > 0);
    CHECK(on_device[i] > 0);
  }
  CHECK(n_device_events() == before + 4);  // read, not recorded anew
  CHECK(Laps(second_device()).seconds().empty());
}

TEST_CASE("what CUDA and its libraries say of full memory counts as out of memory", "[unit]") {
  for (const char* text :
       {"CUDA error: out of memory",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate",
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"})
    CHECK(is_out_of_memory(std::runtime_error(text)));
  CHECK(is_out_of_memory(OutOfMemory("a step needs 90 GB")));
  CHECK_FALSE(is_out_of_memory(std::runtime_error("CUDA error: misaligned address")));
}

TEST_CASE("a device without a caching allocator says nothing of its memory", "[unit]") {
  CHECK_FALSE(device_memory(at::kCPU));
  CHECK_FALSE(device_memory(second_device()));
  CHECK(memory_room(second_device()).total_bytes == 0);
  CHECK(memory_room(at::kCPU).total_bytes >= memory_room(at::kCPU).free_bytes);
  CHECK_NOTHROW(release_cached_memory(second_device()));
  CHECK(live_tensor_bytes(second_device()) == 0);
}

// What the speed measurement needs of a device: times by events, memory by its allocator, ceilings.
#include <catch2/catch.hpp>

#include "experiments/machine/calibrate.h"
#include "experiments/machine/memory_room.h"
#include "experiments/machine/stopwatch.h"
#include "experiments/machine/tensor_memory.h"
#include "tests/device/device.h"

using namespace sublab;

TEST_CASE("laps of a device add up to its stopwatch, about", "[unit]") {
  const at::Device device = device_under_test();
  const at::Tensor x = at::ones({256, 256}, at::device(device));
  x.mm(x);
  const Stopwatch watch(device);
  Laps laps(device);
  for (int i = 0; i < 8; ++i) {
    x.mm(x);
    laps.mark();
  }
  double sum = 0;
  for (const double seconds : laps.seconds()) {
    CHECK(seconds > 0);
    sum += seconds;
  }
  CHECK(laps.n_laps() == 8);
  CHECK(sum <= watch.seconds());
}

TEST_CASE("a card's allocator counts tensors, and gives back what none of them uses", "[unit]") {
  const at::Device device = device_under_test();
  at::Tensor large = at::zeros({1 << 24}, at::device(device));
  const auto before = device_memory(device);
  if (!on_a_card()) {
    CHECK_FALSE(before);  // one that has no caching allocator says nothing
    return;
  }
  REQUIRE(before);
  CHECK(before->total_bytes > before->driver_used_bytes);
  CHECK(before->peak_reserved_bytes >= peak_tensor_bytes(device));
  CHECK(live_tensor_bytes(device) >= static_cast<int64_t>(large.nbytes()));
  const int64_t live = live_tensor_bytes(device);
  large = at::Tensor();
  CHECK(live_tensor_bytes(device) <= live - (int64_t{1} << 26));
  release_cached_memory(device);
  CHECK(device_memory(device)->driver_used_bytes <= before->driver_used_bytes - (int64_t{1} << 26));
  CHECK(memory_room(device).total_bytes == static_cast<double>(before->total_bytes));
}

TEST_CASE("memory that a card does not have is an outcome", "[unit]") {
  if (!on_a_card()) return;
  const at::Device device = device_under_test();
  const auto numbers = static_cast<int64_t>(memory_room(device).total_bytes);  // four times as many
  try {
    at::empty({numbers}, at::device(device));
    FAIL("it was given");
  } catch (const std::exception& error) {
    CHECK(is_out_of_memory(error));
  }
}

TEST_CASE("a card's ceilings are measured in every format that models are trained in", "[unit]") {
  if (!on_a_card()) return;
  const Calibration rates = calibrate(device_under_test(), {}, {{4096, 2048, 5632}});
  CHECK(rates.flops_per_s("bfloat16") > rates.flops_per_s("tf32"));
  CHECK(rates.flops_per_s("tf32") > rates.flops_per_s("float32"));
  CHECK(rates.to_json().contains("matmul_bfloat16_4096x2048x5632_gflops_per_s"));
  CHECK_FALSE(at::globalContext().allowTF32CuBLAS());  // as it was before
}

// The device computes, and what it says is what the CPU says.
#include <catch2/catch.hpp>

#include "tests/device/device.h"
#include "tests/models/small_models.h"

using namespace sublab;

TEST_CASE("a matrix product of the device is the CPU's", "[kernels]") {
  at::manual_seed(1);
  const at::Tensor a = at::randn({64, 48}, at::kDouble), b = at::randn({48, 32}, at::kDouble);
  const at::Device device = device_under_test();
  CHECK(max_difference(at::mm(a.to(device), b.to(device)).cpu(), at::mm(a, b)) < 1e-12);
}

// The device that these tests run on: SUBLAB_TEST_DEVICE is `cuda` (the default) or `second`, the
// device of our own that stands in for one (tests/models/second_device.h). Every number that they
// expect is the CPU's.
#pragma once

#include <ATen/ATen.h>

namespace sublab {

/// Throws where it is not there; the program's main asks first and skips.
at::Device device_under_test();
/// Whether it is a real card, whose rounding differs from the CPU's.
inline bool on_a_card() { return device_under_test().is_cuda(); }

}  // namespace sublab

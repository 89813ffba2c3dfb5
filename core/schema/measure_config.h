// How a study's speed is measured.
#pragma once

#include <string>
#include <vector>

#include "core/fields.h"

namespace sublab {

/// How the study's speed is measured.
struct MeasureConfig {
  std::vector<std::string> modes = {"train", "prefill", "decode"};

}  // namespace sublab

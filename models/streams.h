// Named random streams with torch: initial weights and training coins.
#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <string_view>

#include "core/random.h"

namespace sublab {

/// A torch generator for stream `name` of `seed`. Parameters draw from a stream of their own name,
/// so two variants with the same layer start from the same weights.
inline at::Generator generator(uint64_t seed, std::string_view name) {
  return at::make_generator<at::CPUGeneratorImpl>(stream_key(seed, name));
}

/// The coins of one training step: a function of (key, name, place), not of how many were drawn
/// before, so that a resumed run and a forced test see the same ones.
class Coins {
 public:
  /// `step` counts forward passes of the run (micro-batches).
  Coins(uint64_t seed, uint64_t step) : key_(stream_key(seed, "selection", step)) {}
  virtual ~Coins() = default;
  /// True with probability `p`.
  virtual bool flip(std::string_view name, int64_t place, double p) const {
    return unit_interval(stream_key(key_, name, static_cast<uint64_t>(place))) < p;
  }

 private:
  uint64_t key_;
};

}  // namespace sublab

// Named random streams with torch: initial weights and training coins.
#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <string>
#include <string_view>

#include "core/random.h"

namespace sublab {

/// A torch generator for stream `name` of `seed`. Parameters draw from a stream of their own name,
/// so two variants with the same layer start from the same weights.
inline at::Generator generator(uint64_t seed, std::string_view name) {
  return at::make_generator<at::CPUGeneratorImpl>(stream_key(seed, name));
}

/// How a new model's weights come about: drawn from the streams of `seed` (on the CPU, so that
/// every device starts from the same numbers) and put on `device`. On the meta device they are
/// shapes without numbers, enough to count and to cost a model that would not fit.
struct Initial {
  uint64_t seed = 0;
  at::Device device = at::kCPU;

  Initial(uint64_t seed, at::Device device = at::kCPU)  // NOLINT: a seed is the usual case
      : seed(seed), device(device) {}
  static Initial shapes() { return {0, at::kMeta}; }
  bool shapes_only() const { return device.is_meta(); }
  at::TensorOptions options() const { return at::TensorOptions(at::kFloat).device(device); }
};

/// A trainable tensor drawn from N(0, std_dev^2), stream "init/`name`".
at::Tensor normal_parameter(const std::string& name, at::IntArrayRef shape, double std_dev,
                            const Initial& initial);
/// A trainable tensor drawn uniformly from [-bound, bound], stream "init/`name`".
at::Tensor uniform_parameter(const std::string& name, at::IntArrayRef shape, double bound,
                             const Initial& initial);
/// A trainable tensor of one value.
at::Tensor constant_parameter(at::IntArrayRef shape, double value, const Initial& initial);

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

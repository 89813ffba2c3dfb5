// The key of a scorer that hashes: drawn once, kept with the weights.
#pragma once

#include "models/selection/scorer.h"

namespace sublab {

/// 64 bits drawn from (seed, `stream`, site), stored in the checkpoint as <context.name>.key: a
/// reloaded model draws what the trained one drew.
class DrawnKey {
 public:
  DrawnKey(const ScorerContext& context, const char* stream)
      : name_(context.name + ".key"),
        key_(at::scalar_tensor(
            static_cast<int64_t>(stream_key(context.initial.seed, stream, context.site)),
            at::kLong)) {}

  /// Scalar, int64, on the host.
  const at::Tensor& tensor() const { return key_; }
  uint64_t bits() const { return static_cast<uint64_t>(key_.item<int64_t>()); }
  Buffer buffer() const { return {name_, key_}; }

 private:
  std::string name_;
  at::Tensor key_;
};

}  // namespace sublab

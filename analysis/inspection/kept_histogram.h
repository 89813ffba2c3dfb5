// Tokens seen and kept, per level and bucket.
#pragma once

#include <cstdint>
#include <vector>

namespace sublab {

class KeptHistogram {
 public:
  KeptHistogram(int64_t n_levels, int64_t n_buckets)
      : n_levels_(n_levels), n_buckets_(n_buckets), counts_(2 * n_levels * n_buckets, 0) {}
  /// One token of `bucket` that reached `depth`.
  void add(int64_t bucket, int64_t depth) {
    for (int64_t level = 1; level <= n_levels_; ++level) {
      double* cell = &counts_[2 * ((level - 1) * n_buckets_ + bucket)];
      cell[0] += depth >= level;
      cell[1] += 1;
    }
  }
  /// [levels, buckets, 2]: kept and seen.
  const std::vector<double>& counts() const { return counts_; }
  std::vector<int64_t> shape() const { return {n_levels_, n_buckets_, 2}; }
  double kept(int64_t level, int64_t bucket) const { return counts_[at(level, bucket)]; }
  double seen(int64_t level, int64_t bucket) const { return counts_[at(level, bucket) + 1]; }

 private:
  size_t at(int64_t level, int64_t bucket) const {
    return static_cast<size_t>(2 * ((level - 1) * n_buckets_ + bucket));
  }
  int64_t n_levels_, n_buckets_;
  std::vector<double> counts_;
};

}  // namespace sublab

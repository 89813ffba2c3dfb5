// An interpolated trigram (Jelinek and Mercer 1980): what counting alone gets from the same tokens.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace sublab {

/// P(w | u v) = l3 C(uvw)/C(uv) + l2 C(vw)/C(v) + l1 C(w)/N + l0 / V, weights by EM on held-out
/// documents, one set per bucket of C(uv). Every tenth document is held out while weights are
/// fitted.
class InterpolatedTrigram {
 public:
  /// `documents`: ids of each, boundary left out.
  InterpolatedTrigram(const std::vector<std::vector<int64_t>>& documents, int64_t vocab_size,
                      int64_t boundary_id);

  /// P(id | context of two).
  double probability(int64_t before_last, int64_t last, int64_t id) const;
  /// Sum over the document's tokens of -ln P, in nats.
  double loss_nats(const std::vector<int64_t>& document) const;

 private:
  using Counts = std::unordered_map<uint64_t, uint32_t>;
  static constexpr int kBuckets = 8;
  std::array<double, 4> parts(uint64_t u, uint64_t v, uint64_t w) const;
  int bucket(uint64_t u, uint64_t v) const;
  void add(const std::vector<int64_t>& document);
  void fit(const std::vector<std::vector<int64_t>>& documents);

  uint64_t vocab_size_, boundary_;
  double n_tokens_ = 0;
  Counts one_, two_, three_, two_context_, one_context_;
  std::array<std::array<double, 4>, kBuckets> weights_;
};

}  // namespace sublab

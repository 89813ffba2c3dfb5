// How hourglass makes a row shorter and longer again (arXiv:2110.13711; trax, resampling.py). x
// [N, D] are tokens of a level, y [M, D] their groups (token_groups.h), S(.) the tokens of a group.
//
//   average    y = mean S(x)
//   linear     y = W [S(x)]                          W [D, k D]
//   attention  h = norm(x),  s = norm(mean S(h)),  a = s + Attn(s, h, h),  y = a + swiglu(norm(a))
//
//   repeat     u_t = y_g(t)
//   linear     u_t = (W y_g(t))_slice(t)             W [k D, D]
//   attention  h = norm(y),  s = x + norm(up(h)),  a = s + Attn(s, h, h),  u = a + swiglu(norm(a))
//
// with up = linear, or repeat where groups vary in length. A query of Attn sees the tokens up to
// its own last one, or the groups that have ended. Deviations: norms are RMSNorm, Attn has rotary
// positions, the feed-forward part is SwiGLU, linear maps have no bias; keys are tokens alone, and
// not the zeros before a row.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "baselines/architectures/token_groups.h"

namespace sublab::resampling {

/// Softmax attention of queries at one rate over keys at another.
class RateAttention {
 public:
  RateAttention(const std::string& name, const BlockConfig& config, const Initial& initial);

  /// One side of it.
  struct Side {
    const at::Tensor& x;  ///< [n, D]
    const Rows& rows;
    const RopeAngles& angles;
  };
  /// Query i sees the first `seen[i]` keys of its row, past ones included; at least one. Without
  /// `cache` all rows begin here. `alike`: so do the same queries of rows of one length.
  at::Tensor operator()(const Side& queries, const Side& keys, const std::vector<int64_t>& seen,
                        bool alike, FullKvCache* cache) const;
  std::unique_ptr<FullKvCache> new_cache(int64_t n_rows, int64_t expected_tokens) const;
  void add_parameters(std::vector<Parameter>& out) const;
  /// `causal` and `square`: pairs of query and key.
  void add_cost(const std::string& part, const LevelTokens& queries, const LevelTokens& keys,
                double causal, double square, int64_t level, const CostShape& of,
                Ledger& ledger) const;

 private:
  at::Tensor whole_rows(const at::Tensor& q_NHK, const at::Tensor& k_NGK, const at::Tensor& v_NGK,
                        const Rows& queries, const Rows& keys, const std::vector<int64_t>& seen,
                        bool alike) const;

  BlockConfig config_;
  Linear q_, k_, v_, o_;
};

/// What decoding keeps for one change of rate.
struct Memory {
  OpenGroups groups;
  std::unique_ptr<FullKvCache> shortening = {}, upsampling = {};  ///< null where nothing attends

  Memory fork(const std::vector<int64_t>& rows) const;
  int64_t n_bytes() const;
};

struct RateConfig {
  std::string shortening, upsampling;
  int64_t k = 0;      ///< tokens of a group, on average where they vary
  bool fixed = true;  ///< they do not vary
  int64_t level = 0;  ///< of the groups
};

/// One change of rate: into the groups and back.
class Rate {
 public:
  /// Tensors `name`.shorten.* and `name`.upsample.*.
  Rate(const std::string& name, const RateConfig& rate, const BlockConfig& block,
       const Initial& initial);

  struct Pass {
    const Rows& rows;
    const TokenGroups& groups;
    RopeAngles angles, group_angles;
    Memory* memory = nullptr;
  };
  /// x [N, D] -> y [M, D].
  at::Tensor shorten(const at::Tensor& x, const Pass& pass) const;
  /// y [M, D] and the tokens x [N, D] that were shortened -> u [N, D].
  at::Tensor upsample(const at::Tensor& y, const at::Tensor& x, const Pass& pass) const;
  /// norm(u), which joins the stream.
  at::Tensor normed(const at::Tensor& u) const { return norm_(u); }

  const RateConfig& config() const { return rate_; }
  Memory new_memory(int64_t n_rows, int64_t expected_tokens,
                    const at::TensorOptions& options) const;
  void add_parameters(std::vector<Parameter>& out) const;
  void add_cost(const LevelTokens& fine, const LevelTokens& coarse, const CostShape& of,
                Ledger& ledger) const;

 private:
  /// What stands around an attention that resamples.
  struct Attended {
    Attended(const std::string& name, const BlockConfig& config, const Initial& initial);
    /// a + swiglu(norm(a)) of a = s + attended.
    at::Tensor joined(const at::Tensor& s, const at::Tensor& attended) const;
    void add_parameters(std::vector<Parameter>& out) const;

    Norm in_norm, query_norm;
    RateAttention attention;
    Norm mlp_norm;
    SwigluLayer mlp;
  };
  /// Whether a group says something else to each of its tokens.
  bool slices() const { return rate_.fixed && rate_.upsampling != "repeat"; }

  RateConfig rate_;
  BlockConfig block_;
  std::optional<Linear> down_, up_;
  std::optional<Attended> shorten_, upsample_;
  Norm norm_;
};

}  // namespace sublab::resampling

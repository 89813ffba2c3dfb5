// Blocks of attention and their log-sums: kernels that give both, a backward pass that takes the
// gradients of both, plain operators where no kernel fits, and the merge.
#include "models/parts/partial_attention.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_scaled_dot_product_efficient_attention.h>
#include <ATen/ops/_scaled_dot_product_efficient_attention_backward.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "models/wide_type.h"

namespace sublab {
namespace partial_attention {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

AttentionPartial nothing(const at::Tensor& q) {
  const auto options = q.options().dtype(wide_type(q));
  return {at::zeros(q.sizes(), options), at::full({q.size(0), q.size(1)}, -kInfinity, options)};
}

/// Whether a kernel that gives log-sums takes these.
bool has_kernel(const at::Tensor& q) {
  return q.is_cpu() || (q.is_cuda() && q.scalar_type() != at::kDouble);
}

at::Tensor padded(const at::Tensor& x, int64_t n) {
  return n == 0 ? x : at::constant_pad_nd(x, {0, n}, 0);
}

double scale_of(int64_t width) { return 1 / std::sqrt(static_cast<double>(width)); }

/// What a kernel leaves for its backward pass beside its inputs and its output.
struct Kept {
  at::Tensor out, log_sum_of_exp;  // [1, H, n, K], [1, H, n or more]
  at::Tensor seed, offset;         // CUDA's
};

/// All heads first: q [1, H, n, K], k and v [1, H, t, K].
Kept forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool causal) {
  if (q.is_cpu()) {
    const auto [out, sums] = at::_scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, causal);
    return {out, sums, {}, {}};
  }
  // Its rows are multiples of 16 bytes, its log-sums a multiple of 32 queries.
  const int64_t width = q.size(3), missing = (width + 7) / 8 * 8 - width;
  const auto [out, sums, seed, offset] = at::_scaled_dot_product_efficient_attention(
      padded(q, missing), padded(k, missing), padded(v, missing), {}, /*compute_log_sumexp=*/true,
      0.0, causal, scale_of(width));
  return {out.slice(3, 0, width), sums, seed, offset};
}

/// The kernels' backward pass takes the gradient of `out` alone: with P the probabilities,
///   d logits = P (d_out . v - D),  D = d_out . out,
/// where a gradient g of the log-sum would add P g. It does when each value gets one more number 1
/// whose gradient is g, while the output that D is made of has 0 there. Queries and keys get zeros
/// beside it, to the next multiple of 8, as CUDA wants its rows aligned. In bf16 g is rounded as
/// d_out is, whose products with v it is added to: it is no less exact than they are.
torch::autograd::variable_list backward(const at::Tensor& q, const at::Tensor& k,
                                        const at::Tensor& v, const Kept& kept, bool causal,
                                        const at::Tensor& grad_out, const at::Tensor& grad_sums) {
  const int64_t width = q.size(3), pad = q.is_cpu() ? 8 : width / 8 * 8 + 8 - width;
  const auto wider = [&](const at::Tensor& x) { return padded(x, pad); };
  const double scale = scale_of(width);
  at::Tensor values = wider(v), grads = wider(grad_out);
  values.select(3, width).fill_(1);
  grads.select(3, width).copy_(grad_sums);
  at::Tensor grad_q, grad_k, grad_v;
  if (q.is_cpu())
    std::tie(grad_q, grad_k, grad_v) = at::_scaled_dot_product_flash_attention_for_cpu_backward(
        grads, wider(q), wider(k), values, wider(kept.out), kept.log_sum_of_exp, 0.0, causal,
        std::nullopt, scale);
  else
    std::tie(grad_q, grad_k, grad_v, std::ignore) =
        at::_scaled_dot_product_efficient_attention_backward(
            grads, wider(q), wider(k), values, {}, wider(kept.out), kept.log_sum_of_exp, kept.seed,
            kept.offset, 0.0, {true, true, true, false}, causal, scale);
  const auto own = [&](const at::Tensor& grad) { return grad.slice(3, 0, width); };
  return {own(grad_q), own(grad_k), own(grad_v), at::Tensor()};
}

class Block : public torch::autograd::Function<Block> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context,
                                                const at::Tensor& q, const at::Tensor& k,
                                                const at::Tensor& v, bool causal) {
    const Kept kept = partial_attention::forward(q, k, v, causal);
    context->save_for_backward({q, k, v, kept.out, kept.log_sum_of_exp, kept.seed, kept.offset});
    context->saved_data["causal"] = causal;
    return {kept.out, kept.log_sum_of_exp.slice(2, 0, q.size(2))};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto s = context->get_saved_variables();
    const at::Tensor grad_out = grads[0].defined() ? grads[0] : at::zeros_like(s[3]);
    const at::Tensor grad_sums =
        grads[1].defined() ? grads[1] : at::zeros({1, s[0].size(1), s[0].size(2)}, s[0].options());
    return partial_attention::backward(s[0], s[1], s[2], {s[3], s[4], s[5], s[6]},
                                       context->saved_data["causal"].toBool(), grad_out, grad_sums);
  }
};

/// q [n, H, K], k and v [t, H, K] through a kernel.
AttentionPartial by_kernel(const at::Tensor& q_nHK, const at::Tensor& k_tHK,
                           const at::Tensor& v_tHK, bool causal) {
  const auto heads_first = [](const at::Tensor& x) { return x.transpose(0, 1).unsqueeze(0); };
  const at::Tensor q = heads_first(q_nHK), k = heads_first(k_tHK), v = heads_first(v_tHK);
  at::Tensor out, sums;
  if (at::GradMode::is_enabled() && (q.requires_grad() || k.requires_grad() || v.requires_grad())) {
    const auto both = Block::apply(q, k, v, causal);
    out = both[0], sums = both[1];
  } else {
    const Kept kept = forward(q, k, v, causal);
    out = kept.out, sums = kept.log_sum_of_exp.slice(2, 0, q.size(2));
  }
  const auto wide = wide_type(q);
  return {out.squeeze(0).transpose(0, 1).to(wide), sums.squeeze(0).transpose(0, 1).to(wide)};
}

/// k or v [t, G, K] for each of H query heads.
at::Tensor per_head(const at::Tensor& x, int64_t heads) {
  const int64_t group = heads / x.size(1);
  return group == 1 ? x : x.repeat_interleave(group, 1);
}

/// All queries see all keys: a group's query heads are further queries of the same key head.
AttentionPartial all_by_kernel(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const int64_t n = q.size(0), heads = q.size(1), kv_heads = k.size(1);
  const int64_t group = heads / kv_heads;
  if (group == 1) return by_kernel(q, k, v, false);
  const at::Tensor by_kv_head = q.reshape({n, kv_heads, group, q.size(2)}).transpose(1, 2);
  const AttentionPartial part = by_kernel(by_kv_head.flatten(0, 1), k, v, false);
  const auto by_head = [&](const at::Tensor& x) {  // [n * H/G, G, ...] -> [n, H, ...]
    auto sizes = x.sizes().vec();
    sizes[0] = n;
    sizes.insert(sizes.begin() + 1, group);
    return x.reshape(sizes).transpose(1, 2).flatten(1, 2);
  };
  return {by_head(part.out), by_head(part.log_sum_of_exp)};
}

/// Queries [begin, end) see the first `past` keys; `causal`: and after them one more each.
struct Stair {
  int64_t begin, end, past;
  bool causal;
};

/// How many of the ascending keys each of the ascending queries sees, as few stairs.
std::vector<Stair> stairs_of(const at::Tensor& q_ordinals, const at::Tensor& k_ordinals) {
  const auto *q = q_ordinals.const_data_ptr<int64_t>(), *k = k_ordinals.const_data_ptr<int64_t>();
  const int64_t n = q_ordinals.numel(), t = k_ordinals.numel();
  std::vector<int64_t> seen(n);
  for (int64_t i = 0; i < n; ++i) seen[i] = std::upper_bound(k, k + t, q[i]) - k;
  std::vector<Stair> out;
  for (int64_t i = 0; i < n;) {
    int64_t flat = i + 1, steep = i + 1;
    while (flat < n && seen[flat] == seen[i]) ++flat;
    while (seen[i] > 0 && steep < n && seen[steep] == seen[steep - 1] + 1) ++steep;
    if (flat >= steep)
      out.push_back({i, flat, seen[i], false});
    else
      out.push_back({i, steep, seen[i] - 1, true});
    i = out.back().end;
  }
  return out;
}

AttentionPartial attend_stair(const Stair& stair, const at::Tensor& q_all, const at::Tensor& k,
                              const at::Tensor& v) {
  const at::Tensor q = q_all.slice(0, stair.begin, stair.end);
  const auto part = [&](int64_t begin, int64_t end, Visible visible) {
    return attend_block(q, k.slice(0, begin, end), v.slice(0, begin, end), visible);
  };
  const int64_t end = stair.past + (stair.causal ? q.size(0) : 0);
  if (!stair.causal) return part(0, stair.past, Visible::all);
  const AttentionPartial own = part(stair.past, end, Visible::causal);
  return stair.past == 0 ? own : merge({part(0, stair.past, Visible::all), own});
}

bool ascends(const at::Tensor& x) {
  const auto* values = x.const_data_ptr<int64_t>();
  return std::is_sorted(values, values + x.numel());
}

AttentionPartial joined(const AttentionPartial& a, const AttentionPartial& b) {
  // Where neither sees anything, numbers stand in whose difference is no NaN.
  const at::Tensor blind =
      a.log_sum_of_exp.eq(-kInfinity).logical_and(b.log_sum_of_exp.eq(-kInfinity));
  const at::Tensor sum_a = a.log_sum_of_exp.masked_fill(blind, 0),
                   sum_b = b.log_sum_of_exp.masked_fill(blind, 0);
  const at::Tensor all = at::logaddexp(sum_a, sum_b);
  const auto share = [&](const at::Tensor& sum) { return (sum - all).exp().unsqueeze(-1); };
  return {a.out * share(sum_a) + b.out * share(sum_b), all.masked_fill(blind, -kInfinity)};
}

}  // namespace partial_attention

AttentionPartial attend_block_naive(const at::Tensor& q_nHK, const at::Tensor& k_tGK,
                                    const at::Tensor& v_tGK, const at::Tensor& hidden) {
  using namespace partial_attention;
  if (q_nHK.size(0) == 0 || k_tGK.size(0) == 0) return nothing(q_nHK);
  const auto wide = wide_type(q_nHK);
  const auto heads_first = [&](const at::Tensor& x) {
    return per_head(x, q_nHK.size(1)).transpose(0, 1).to(wide);
  };
  const double scale = 1 / std::sqrt(static_cast<double>(q_nHK.size(2)));
  const at::Tensor logits =
      (at::bmm(heads_first(q_nHK), heads_first(k_tGK).transpose(1, 2)) * scale)
          .masked_fill(hidden, -kInfinity);  // [H, n, t]
  const at::Tensor top = logits.detach().amax(-1, true);
  const at::Tensor blind = top.eq(-kInfinity);
  const at::Tensor lowered = top.masked_fill(blind, 0);
  const at::Tensor weights = (logits - lowered).exp();
  const at::Tensor sum = weights.sum(-1, true).masked_fill(blind, 1);  // [H, n, 1]
  const at::Tensor log_sum = (sum.log() + lowered).masked_fill(blind, -kInfinity).squeeze(-1);
  return {(at::bmm(weights, heads_first(v_tGK)) / sum).transpose(0, 1), log_sum.transpose(0, 1)};
}

AttentionPartial attend_block(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                              Visible visible) {
  using namespace partial_attention;
  const int64_t n = q.size(0), t = k.size(0);
  if (visible == Visible::none || n == 0 || t == 0) return nothing(q);
  const bool causal = visible == Visible::causal;
  TORCH_CHECK(!causal || n == t, "a causal block has as many keys as queries");
  if (has_kernel(q))
    return causal ? by_kernel(q, per_head(k, q.size(1)), per_head(v, q.size(1)), true)
                  : all_by_kernel(q, k, v);
  const at::Tensor none = at::zeros({n, t}, q.options().dtype(at::kBool));
  return attend_block_naive(q, k, v, causal ? none.logical_not().triu(1) : none);
}

AttentionPartial attend_block(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                              const at::Tensor& q_places, const at::Tensor& k_places) {
  using namespace partial_attention;
  if (q.size(0) == 0 || k.size(0) == 0) return nothing(q);
  const at::Tensor q_ordinals = q_places.contiguous(), k_ordinals = k_places.contiguous();
  if (!ascends(q_ordinals)) {
    const at::Tensor order = q_ordinals.argsort(), there = order.to(q.device());
    const AttentionPartial part =
        attend_block(q.index_select(0, there), k, v, q_ordinals.index_select(0, order), k_ordinals);
    const at::Tensor back = order.argsort().to(q.device());
    return {part.out.index_select(0, back), part.log_sum_of_exp.index_select(0, back)};
  }
  if (!ascends(k_ordinals)) {
    const at::Tensor order = k_ordinals.argsort(), there = order.to(k.device());
    return attend_block(q, k.index_select(0, there), v.index_select(0, there), q_ordinals,
                        k_ordinals.index_select(0, order));
  }
  constexpr size_t kMostStairs = 16;  // more of them are slower than one masked product
  const std::vector<Stair> stairs = stairs_of(q_ordinals, k_ordinals);
  if (stairs.size() > kMostStairs)
    return attend_block_naive(q, k, v,
                              k_ordinals.unsqueeze(0).gt(q_ordinals.unsqueeze(1)).to(q.device()));
  std::vector<at::Tensor> outs, sums;
  for (const Stair& stair : stairs) {
    const AttentionPartial part = attend_stair(stair, q, k, v);
    outs.push_back(part.out);
    sums.push_back(part.log_sum_of_exp);
  }
  return {at::cat(outs), at::cat(sums)};
}

AttentionPartial merge(const std::vector<AttentionPartial>& parts) {
  TORCH_CHECK(!parts.empty(), "merge: nothing to merge");
  AttentionPartial out = parts.front();
  for (size_t i = 1; i < parts.size(); ++i) out = partial_attention::joined(out, parts[i]);
  return out;
}

}  // namespace sublab

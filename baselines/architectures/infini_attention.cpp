// Whole rows segment by segment, and steps against the open segment
// (baselines/architectures/infini_attention.h).
#include "baselines/architectures/infini_attention.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "baselines/architectures/infini_segments.h"
#include "models/parts/recompute.h"
#include "models/transfer.h"
#include "models/wide_type.h"

namespace sublab::infini_transformer {
namespace {

/// `attend` over rows whose tokens ascend, with what it gives in the order of these.
template <class Attend>
at::Tensor in_order(const AttentionHeads& heads, const LayerContext& context,
                    const Attend& attend) {
  const AscendingRows rows = AscendingRows::whole(context.at.rows, "compressive memories");
  if (!rows.order.defined()) return attend(heads, context);
  LevelContext level = context.at;
  level.rows = rows.rows;
  level.angles = context.at.angles.keep(sent_to(heads.q_NHK.device(), rows.order));
  const LayerContext ordered{
      .at = level, .layer = context.layer, .cache = context.cache, .probe = context.probe};
  return rows.as_given(attend(ordered_heads(heads, rows), ordered));
}

/// Tokens of the new ones that each row takes before its open segment is full; empty once all are
/// taken.
std::vector<int64_t> next_part(const SegmentCache& cache, const Rows& rows,
                               const std::vector<int64_t>& done, int64_t segment_len) {
  std::vector<int64_t> out(rows.n_rows());
  int64_t sum = 0;
  for (int64_t b = 0; b < rows.n_rows(); ++b) {
    const int64_t open = cache.n_tokens(b) == segment_len ? 0 : cache.n_tokens(b);
    out[b] = std::min(segment_len - open, rows.length(b) - done[b]);
    sum += out[b];
  }
  return sum > 0 ? out : std::vector<int64_t>{};
}

/// Tokens [done[b], done[b] + take[b]) of each row b of packed rows.
at::Tensor part_of(const at::Tensor& x, const Rows& rows, const std::vector<int64_t>& done,
                   const std::vector<int64_t>& take) {
  if (take == rows.lengths()) return x;
  std::vector<at::Tensor> out;
  for (int64_t b = 0; b < rows.n_rows(); ++b)
    out.push_back(x.slice(0, rows.begin(b) + done[b], rows.begin(b) + done[b] + take[b]));
  return at::cat(out);
}

/// Outputs of consecutive parts of each row, packed by row.
at::Tensor by_row(const std::vector<at::Tensor>& parts, const std::vector<RowsPtr>& rows) {
  if (parts.size() == 1) return parts.front();
  std::vector<at::Tensor> out;
  for (int64_t b = 0; b < rows.front()->n_rows(); ++b)
    for (size_t i = 0; i < parts.size(); ++i)
      out.push_back(parts[i].slice(0, rows[i]->begin(b), rows[i]->begin(b) + rows[i]->length(b)));
  return at::cat(out);
}

}  // namespace

SegmentCounts segment_counts(double t, double past, double n) {
  SegmentCounts out;
  const double end = past + t;
  if (end > 0) out.tokens_open = std::fmod(end - 1, n) + 1;
  if (t <= 0) return out;
  out.folded = std::floor((end - 1) / n) - std::floor(std::max(past - 1, 0.0) / n);
  out.folded_with_memory = out.folded - (past <= n && end > n ? 1 : 0);
  if (end <= n) return out;
  out.tokens_reading = std::min(t, end - n);
  out.memories_read = std::floor((end - 1) / n) - std::floor(std::max(past, n) / n) + 1;
  return out;
}

AttentionCost InfiniAttention::cost(double t, double past) const {
  const auto n = static_cast<double>(settings_.segment_len);
  // Pairs of the first x tokens of a row.
  const auto causal = [n](double x) {
    const double full = std::floor(x / n), rest = x - full * n;
    return full * n * (n + 1) / 2 + rest * (rest + 1) / 2;
  };
  const double open = std::fmod(past, n), first = std::min(n - open, t);
  const double full = std::floor((t - first) / n), rest = t - first - full * n;
  return {.causal_pairs = causal(open + t) - causal(open),
          .square_pairs = first * (open + first) + full * n * n + rest * rest,
          .tokens_read = t > 0 ? open + t : 0,
          .tokens_held = segment_counts(t, past, n).tokens_open};
}

at::Tensor InfiniAttention::mixed(const at::Tensor& local, const at::Tensor& q,
                                  const Memory& memory, const at::Tensor& gate) const {
  if (!memory.defined() && !settings_.scales_first) return local;
  const at::ScalarType wide = wide_type(local);
  const at::Tensor g = gate.to(wide).sigmoid().unsqueeze(-1);  // [H, 1]
  const at::Tensor near = local.to(wide);
  const at::Tensor out =
      memory.defined() ? at::lerp(near, settings_.rule.read(memory, q), g) : near * (1 - g);
  return out.to(local.scalar_type());
}

at::Tensor InfiniAttention::whole_rows(const AttentionHeads& heads,
                                       const LayerContext& context) const {
  return in_order(heads, context, [this](const AttentionHeads& h, const LayerContext& c) {
    return ascending_rows(h, c);
  });
}

at::Tensor InfiniAttention::ascending_rows(const AttentionHeads& heads,
                                           const LayerContext& context) const {
  const Rows& rows = *context.at.rows;
  if (rows.n_tokens() == 0) return at::empty_like(heads.q_NHK);
  const Segments segments(rows, settings_.segment_len);
  const RopeAngles& angles = context.at.angles;
  const at::Tensor local = context.at.parts->executor->whole_rows(
      angles.rotated(heads.q_NHK), angles.rotated(heads.k_NGK), heads.v_NGK, *segments.as_rows(),
      *context.at.run);
  const auto near = segments.split(local), q = segments.split(heads.q_NHK),
             k = segments.split(heads.k_NGK), v = segments.split(heads.v_NGK);
  const at::Tensor& gate = gates_.at(context.layer);
  const bool recomputes = settings_.checkpoints && at::GradMode::is_enabled();
  std::vector<std::vector<at::Tensor>> out(near.size());
  Memory memory;
  for (size_t s = 0; s < near.size(); ++s) {
    Memory next;
    for (size_t g = 0; g < near[s].size(); ++g) {
      const SegmentGroup& group = segments.groups()[s][g];
      const Memory before = memory.of_rows(group.places);
      // Its inputs in this order: local output, q, gate, k, v, M, z.
      std::vector<at::Tensor> inputs = {near[s][g], q[s][g], gate, k[s][g], v[s][g]};
      if (before.defined()) inputs.insert(inputs.end(), {before.M, before.z});
      const auto pass = [this, continues = group.continues](const std::vector<at::Tensor>& in) {
        const Memory read = in.size() > 5 ? Memory{in[5], in[6]} : Memory{};
        std::vector<at::Tensor> made = {mixed(in[0], in[1], read, in[2])};
        if (!continues) return made;
        const Memory after = settings_.rule.folded(read, in[3], in[4]);
        made.insert(made.end(), {after.M, after.z});
        return made;
      };
      const std::vector<at::Tensor> made = recomputes ? recomputed(pass, inputs) : pass(inputs);
      out[s].push_back(made[0]);
      if (group.continues) next = {made[1], made[2]};
    }
    memory = next;
  }
  if (context.at.run->activity)
    context.at.run->activity->count("segments_folded", segments.n_folded(), segments.n_segments(),
                                    {.layer = context.layer});
  return segments.joined(out);
}

at::Tensor InfiniAttention::step(const AttentionHeads& heads, const LayerContext& context) const {
  return in_order(heads, context, [this](const AttentionHeads& h, const LayerContext& c) {
    return ascending_step(h, c);
  });
}

at::Tensor InfiniAttention::ascending_step(const AttentionHeads& heads,
                                           const LayerContext& context) const {
  auto& cache = static_cast<SegmentCache&>(*context.cache);
  const Rows& rows = *context.at.rows;
  const at::Tensor q = context.at.angles.rotated(heads.q_NHK),
                   k = context.at.angles.rotated(heads.k_NGK);
  std::vector<int64_t> done(rows.n_rows(), 0);
  std::vector<at::Tensor> out;
  std::vector<RowsPtr> parts;
  double begun = 0, n_folded = 0;
  for (auto take = next_part(cache, rows, done, settings_.segment_len); !take.empty();
       take = next_part(cache, rows, done, settings_.segment_len)) {
    std::vector<int64_t> full;
    bool all_begin = true;
    for (int64_t b = 0; b < rows.n_rows(); ++b) {
      if (take[b] == 0) continue;
      if (cache.n_tokens(b) == settings_.segment_len) full.push_back(b);
      const bool begins = cache.n_tokens(b) % settings_.segment_len == 0;
      all_begin = all_begin && begins;
      begun += begins;
    }
    cache.fold(full, settings_.rule);
    n_folded += static_cast<double>(full.size());
    parts.push_back(Rows::contiguous(take));
    const auto part = [&](const at::Tensor& x) { return part_of(x, rows, done, take); };
    const AttentionHeads turned{part(q), part(k), part(heads.v_NGK)};
    cache.append(part(heads.k_NGK), turned.k_NGK, turned.v_NGK, *parts.back());
    out.push_back(open_segments(part(heads.q_NHK), turned, *parts.back(), all_begin, context));
    for (int64_t b = 0; b < rows.n_rows(); ++b) done[b] += take[b];
  }
  if (context.at.run->activity)
    context.at.run->activity->count("segments_folded", n_folded, begun, {.layer = context.layer});
  return out.empty() ? at::empty_like(heads.q_NHK) : by_row(out, parts);
}

at::Tensor InfiniAttention::open_segments(const at::Tensor& q, const AttentionHeads& turned,
                                          const Rows& rows, bool all_begin,
                                          const LayerContext& context) const {
  const auto& cache = static_cast<const SegmentCache&>(*context.cache);
  const AttentionExecutor& executor = *context.at.parts->executor;
  std::vector<VisibleTokens> visible(rows.n_rows());
  int64_t n_remembering = 0;
  for (int64_t b = 0; b < rows.n_rows(); ++b) {
    if (rows.length(b) > 0) visible[b] = cache.open(b);
    n_remembering += cache.remembers(b);
  }
  const at::Tensor local = all_begin ? executor.whole_rows(turned.q_NHK, turned.k_NGK, turned.v_NGK,
                                                           rows, *context.at.run)
                                     : executor.step(turned.q_NHK, visible, rows, *context.at.run);
  const at::Tensor& gate = gates_.at(context.layer);
  const int64_t each = rows.equal_length();
  if (each > 0 && (n_remembering == 0 || n_remembering == rows.n_rows())) {
    const auto of_rows = [&](const at::Tensor& x) { return x.unflatten(0, {rows.n_rows(), each}); };
    return mixed(of_rows(local), of_rows(q), n_remembering ? cache.memory() : Memory{}, gate)
        .flatten(0, 1);
  }
  std::vector<at::Tensor> out;
  for (int64_t b = 0; b < rows.n_rows(); ++b) {
    if (rows.length(b) == 0) continue;
    const auto of_row = [&](const at::Tensor& x) {
      return x.slice(0, rows.begin(b), rows.begin(b) + rows.length(b)).unsqueeze(0);
    };
    out.push_back(
        mixed(of_row(local), of_row(q), cache.remembers(b) ? cache.memory(b) : Memory{}, gate)
            .squeeze(0));
  }
  return at::cat(out);
}

}  // namespace sublab::infini_transformer

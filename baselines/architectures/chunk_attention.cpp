// Products over batches of equally long pieces of chunks, and the keys that stay for the next step.
#include "baselines/architectures/chunk_attention.h"

#include <algorithm>
#include <limits>

#include "models/transfer.h"
#include "models/wide_type.h"

namespace sublab {
namespace chunk_attention_detail {

/// [runs, tokens, H, K] -> [runs H, tokens, K].
at::Tensor heads_first(const at::Tensor& x) { return x.transpose(1, 2).flatten(0, 1); }

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                  const at::Tensor& mask, const at::Tensor& bias) {
  at::Tensor logits = at::bmm(heads_first(q), heads_first(k).transpose(1, 2));
  if (logits.scalar_type() != at::kDouble) logits = logits.to(at::kFloat);
  if (bias.defined()) logits.add_(bias);
  if (mask.defined()) logits.add_(mask);
  const at::Tensor weights = logits.softmax(-1).to(v.scalar_type());
  return at::bmm(weights, heads_first(v))
      .view({q.size(0), q.size(2), q.size(1), v.size(3)})
      .transpose(1, 2);
}

}  // namespace chunk_attention_detail

ChunkPlan::ChunkPlan(const Rows& rows, int64_t chunk_len, const at::TensorOptions& like)
    : chunk_len(chunk_len),
      chunks(RowRuns::of_chunks(rows, chunk_len, like.device())),
      places(rows.ordinals(like.device()).remainder(chunk_len)) {
  const auto wide = like.dtype(wide_type(like));
  for (const RunGroup& group : chunks.groups()) {
    masks.emplace_back();
    if (group.length > 1)
      masks.back() = at::full({group.length, group.past + group.length},
                              -std::numeric_limits<double>::infinity(), wide)
                         .triu(group.past + 1);
  }
  for (int64_t b = 0; b < rows.n_rows(); ++b) {
    const auto up_to = [&](int64_t ordinal) { return (ordinal + chunk_len - 1) / chunk_len; };
    const int64_t begun = up_to(rows.start(b) + rows.length(b)) - up_to(rows.start(b));
    n_begun += static_cast<double>(begun);
    n_passed += static_cast<double>(rows.start(b) == 0 && begun > 0 ? begun - 1 : begun);
  }
}

OpenChunks::OpenChunks(int64_t n_rows, int64_t n_heads, int64_t key_width, int64_t value_width,
                       const at::TensorOptions& like)
    : keys_(at::empty({n_rows, 0, n_heads, key_width}, like)),
      values_(at::empty({n_rows, 0, n_heads, value_width}, like)),
      tokens_(n_rows, 0) {}

int64_t OpenChunks::n_bytes() const {
  int64_t tokens = 0;
  for (const int64_t n : tokens_) tokens += n;
  const int64_t numbers = keys_.size(2) * (keys_.size(3) + values_.size(3));
  return tokens * numbers * static_cast<int64_t>(keys_.element_size());
}

OpenChunks OpenChunks::fork(const std::vector<int64_t>& rows) const {
  OpenChunks out;
  const at::Tensor index = sent_to(keys_.device(), rows);
  out.keys_ = keys_.index_select(0, index);
  out.values_ = values_.index_select(0, index);
  for (const int64_t row : rows) out.tokens_.push_back(tokens_[row]);
  return out;
}

void OpenChunks::reserve(int64_t tokens, int64_t chunk_len) {
  const int64_t room = keys_.size(1);
  if (tokens <= room) return;
  const int64_t more = std::min(std::max(tokens, 2 * room), chunk_len) - room;
  for (at::Tensor* held : {&keys_, &values_})
    *held = at::constant_pad_nd(*held, {0, 0, 0, 0, 0, more});
}

bool OpenChunks::holds_all(const RunGroup& group) const {
  if (group.n_runs() != keys_.size(0)) return false;
  for (int64_t run = 0; run < group.n_runs(); ++run)
    if (group.rows[run] != run) return false;
  return true;
}

void OpenChunks::pass(const RunGroup& group, int64_t chunk_len, at::Tensor& k, at::Tensor& v) {
  const int64_t end = group.past + group.length;
  const bool stays = end < chunk_len, all = holds_all(group);
  if (stays) reserve(end, chunk_len);
  const at::Tensor index = group.past > 0 && !all ? sent_to(k.device(), group.rows) : at::Tensor();
  for (const auto& [held, fresh] : {std::pair{&keys_, &k}, std::pair{&values_, &v}}) {
    const at::Tensor own = fresh->detach(), past = held->slice(1, 0, group.past);
    if (stays && all) {
      held->slice(1, group.past, end).copy_(own);
      *fresh = held->slice(1, 0, end);
      continue;
    }
    for (int64_t run = 0; stays && run < group.n_runs(); ++run)
      held->select(0, group.rows[run]).slice(0, group.past, end).copy_(own[run]);
    if (group.past > 0) *fresh = at::cat({all ? past : past.index_select(0, index), own}, 1);
  }
  for (int64_t run = 0; run < group.n_runs(); ++run)
    if (group.is_last[run]) tokens_[group.rows[run]] = end % chunk_len;
}

at::Tensor attend_in_chunks(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const ChunkPlan& plan, const LogitBias& bias, OpenChunks* open) {
  const std::vector<at::Tensor> q_of = plan.chunks.split(q);
  std::vector<at::Tensor> k_of = plan.chunks.split(k), v_of = plan.chunks.split(v), out;
  for (size_t i = 0; i < q_of.size(); ++i) {
    const RunGroup& group = plan.chunks.groups()[i];
    if (open) open->pass(group, plan.chunk_len, k_of[i], v_of[i]);
    out.push_back(
        chunk_attention_detail::attend(q_of[i], k_of[i], v_of[i], plan.masks[i],
                                       bias ? bias(group.past, group.length) : at::Tensor()));
  }
  return plan.chunks.joined(out);
}

LedgerLine chunk_attention_cost(const PassShape& shape, int64_t chunk_len, int64_t n_heads,
                                int64_t key_numbers, int64_t value_numbers) {
  double causal = 0, square = 0, read = 0, held = 0;
  const auto chunk = static_cast<double>(chunk_len);
  for (size_t b = 0; b < shape.new_tokens.size(); ++b) {
    double past = shape.past_tokens.empty() ? 0 : shape.past_tokens[b];
    past -= chunk * static_cast<double>(static_cast<int64_t>(past / chunk));
    double left = shape.new_tokens[b];
    while (left > 0) {
      const double length = std::min(chunk - past, left);
      causal += length * past + length * (length + 1) / 2;
      square += length * (past + length);
      read += past + length;
      past = past + length == chunk ? 0 : past + length;
      left -= length;
    }
    held += past;
  }
  const auto numbers = static_cast<double>(key_numbers + value_numbers);
  const double bytes = shape.bytes_per_number, n = shape.n_tokens();
  return {.part = "attention.scores",
          .layer = shape.layer,
          .level = shape.level,
          .tokens = n,
          .flops_causal = 2 * numbers * causal,
          .flops_square = 2 * numbers * square,
          .bytes = numbers * read * bytes,
          .activation_bytes = (n * numbers + static_cast<double>(n_heads) * square) * bytes,
          .cache_bytes = numbers * held * bytes};
}

}  // namespace sublab

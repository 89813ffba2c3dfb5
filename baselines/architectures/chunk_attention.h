// Causal softmax attention inside chunks of a row: a token sees itself and the tokens of its chunk
// before it, nothing else. What decoding keeps is the open chunk.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <vector>

#include "baselines/architectures/row_runs.h"
#include "models/ledger.h"
#include "models/parts/pass_shape.h"

namespace sublab {

/// The tokens of a pass by chunks: made once, good for all layers.
struct ChunkPlan {
  /// `like`: device and dtype of the model.
  ChunkPlan(const Rows& rows, int64_t chunk_len, const at::TensorOptions& like);

  int64_t chunk_len;
  RowRuns chunks;
  at::Tensor places;  ///< of each token in its chunk, [N] int64
  /// Per group [length, past + length], added to logits: -inf where a key is later than its query.
  /// Undefined for single tokens, which see all.
  std::vector<at::Tensor> masks;
  double n_begun = 0, n_passed = 0;  ///< chunks that tokens open, and those that they leave behind
};

/// Keys and values of each row's open chunk.
class OpenChunks {
 public:
  OpenChunks() = default;
  OpenChunks(int64_t n_rows, int64_t n_heads, int64_t key_width, int64_t value_width,
             const at::TensorOptions& like);
  int64_t n_bytes() const;
  OpenChunks fork(const std::vector<int64_t>& rows) const;

  /// Takes up the runs of a group, k and v [runs, length, H, ...]; they become all that their
  /// queries see, past tokens first.
  void pass(const RunGroup& group, int64_t chunk_len, at::Tensor& k, at::Tensor& v);

 private:
  bool holds_all(const RunGroup& group) const;
  void reserve(int64_t tokens, int64_t chunk_len);

  at::Tensor keys_, values_;     // [B, room, H, Z], [B, room, H, E]
  std::vector<int64_t> tokens_;  // of each row
};

/// Added to logits: of queries at places [past, past + length) for keys at [0, past + length).
using LogitBias = std::function<at::Tensor(int64_t past, int64_t length)>;

/// q, k [N, H, Z], already scaled and rotated, v [N, H, E] -> [N, H, E]. `open` is set for tokens
/// that go on, and takes them up. Softmax is fp32 at least.
at::Tensor attend_in_chunks(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const ChunkPlan& plan, const LogitBias& bias, OpenChunks* open);

/// Line attention.scores: keys of all heads are `key_numbers` wide, values `value_numbers`.
LedgerLine chunk_attention_cost(const PassShape& shape, int64_t chunk_len, int64_t n_heads,
                                int64_t key_numbers, int64_t value_numbers);

}  // namespace sublab

// The arithmetic of attention in decoding: one piece of one key/value head's tokens at a time, for
// all query heads that read it; and the merge of a query head's pieces.
#pragma once

#include "models/kernels/vector_math.h"

namespace sublab::cache_attention_kernel {

constexpr int kPiece = 128;  ///< tokens whose weights are made together
constexpr int kKeys = 4;     ///< keys that stand in registers side by side

/// At most kPiece tokens of one key/value head; tokens lie `k_stride` and `v_stride` numbers apart.
template <class T>
struct Piece {
  const T* k;
  const T* v;
  int64_t k_stride, v_stride;
  int n;
};

/// Where the members of a team meet.
struct Scratch {
  float* queries;  // [Heads, d]
  float* weights;  // [Heads, kPiece]
};

/// What a piece leaves per query head: sums of weighted values [d], largest logit, sum of weights.
SUBLAB_HOST_DEVICE int64_t record_size(int64_t d) { return d + 2; }

/// weights[h, t] = scale q_h . k_t for all tokens of the piece.
template <int Heads, int N, class Team, class T>
SUBLAB_HOST_DEVICE void make_logits(const Team& team, const Piece<T>& piece, int d, float scale,
                                    const Scratch& scratch) {
  const int n = piece.n;
  team.template along<Heads * kKeys>(
      (n + kKeys - 1) / kKeys, d / N,
      [&](int tile, int part, float* sums) SUBLAB_INLINE {
        float keys[kKeys][N];
        for (int i = 0; i < kKeys; ++i) {
          const int t = tile * kKeys + i;  // behind the last token stands the last one again
          load_numbers<N>(piece.k + (t < n ? t : n - 1) * piece.k_stride + part * N, keys[i]);
        }
        for (int h = 0; h < Heads; ++h) {
          const float* q = scratch.queries + h * d + part * N;
          for (int j = 0; j < N; ++j)
            for (int i = 0; i < kKeys; ++i) sums[h * kKeys + i] += q[j] * keys[i][j];
        }
      },
      [&](int tile, int s, float sum) SUBLAB_INLINE {
        const int t = tile * kKeys + s % kKeys;
        if (t < n) scratch.weights[s / kKeys * kPiece + t] = scale * sum;
      });
}

/// q [heads, d], heads <= Heads, over the piece -> records [heads], `stride` numbers apart. d is a
/// multiple of N, the numbers that are read at once.
template <int Heads, int N, class Team, class T>
SUBLAB_HOST_DEVICE void attend_piece(const Team& team, const T* q, int heads, int d,
                                     const Piece<T>& piece, float scale, const Scratch& scratch,
                                     float* records, int64_t stride) {
  team.each(Heads * d,
            [&](int64_t j) SUBLAB_INLINE { scratch.queries[j] = j < heads * d ? load(q[j]) : 0; });
  team.wait();
  make_logits<Heads, N>(team, piece, d, scale, scratch);
  team.wait();
  team.rows(Heads, [&](const auto& row, int h) SUBLAB_INLINE {
    float* weights = scratch.weights + h * kPiece;
    const float top = row.max(piece.n, [&](int64_t t) SUBLAB_INLINE { return weights[t]; });
    const float sum = row.sum(piece.n, [&](int64_t t) SUBLAB_INLINE {
      weights[t] = fast_exp(weights[t] - top);
      return weights[t];
    });
    if (h >= heads || !row.owns(0)) return;
    records[h * stride + d] = top;
    records[h * stride + d + 1] = sum;
  });
  team.wait();
  team.template across<Heads * N>(
      d / N, piece.n,
      [&](int part, int t, float* sums) SUBLAB_INLINE {
        float values[N];
        load_numbers<N>(piece.v + t * piece.v_stride + part * N, values);
        for (int h = 0; h < Heads; ++h) {
          const float weight = scratch.weights[h * kPiece + t];
          for (int j = 0; j < N; ++j) sums[h * N + j] += weight * values[j];
        }
      },
      [&](int part, int s, float sum) SUBLAB_INLINE {
        if (s / N < heads) records[s / N * stride + part * N + s % N] = sum;
      });
  team.wait();
}

/// records [n] of one query head, one after another -> out [d].
template <class Team, class T>
SUBLAB_HOST_DEVICE void merge_pieces(const Team& team, const float* records, int n, int d, T* out) {
  const int64_t size = record_size(d);
  const float top = team.max(n, [&](int64_t p) SUBLAB_INLINE { return records[p * size + d]; });
  const auto share = [&](int64_t p) SUBLAB_INLINE { return fast_exp(records[p * size + d] - top); };
  const float weight =
      team.sum(n, [&](int64_t p) SUBLAB_INLINE { return share(p) * records[p * size + d + 1]; });
  team.template across<1>(
      d, n,
      [&](int j, int p, float* sum) SUBLAB_INLINE { *sum += share(p) * records[p * size + j]; },
      [&](int j, int, float sum) SUBLAB_INLINE { store(out[j], sum / weight); });
}

}  // namespace sublab::cache_attention_kernel

// The CUDA forms of the kernels. They know pointers, sizes and a stream, so that neither nvcc needs
// torch nor the C++ compiler CUDA. Defined in <operation>.cu, which builds with SUBLAB_CUDA link.
//
// Arrays are contiguous, on the stream's device, and of the type Launch::number where a pointer is
// void. Each function returns nullptr, or what CUDA said about the launch. Sums have a fixed order:
// the same input gives the same bits.
#pragma once

#include <cstdint>

struct CUstream_st;  // what cudaStream_t points to

namespace sublab::cuda {

enum class Number { kFloat32, kBfloat16 };

struct Launch {
  Number number;
  CUstream_st* stream;
};

using Error = const char*;

/// Into how many parts backward passes cut n rows; each part has its own row of `partial`.
inline int64_t n_parts(int64_t n) {
  const int64_t parts = (n + 15) / 16;
  return parts < 1 ? 1 : parts > 1024 ? 1024 : parts;
}

/// x, y [n, d], weight [d], scale [n]. With `residual` [n, d]: s [n, d] = x + residual is written
/// and normalised; both are null otherwise.
Error rms_norm_forward(Launch launch, const void* x, const void* residual, const void* weight,
                       void* s, void* y, float* scale, int64_t n, int64_t d, float epsilon);

/// grad_residual [n, d] is added to grad_x, or is null; partial [n_parts(n), d].
Error rms_norm_backward(Launch launch, const void* x, const void* weight, const float* scale,
                        const void* grad_y, const void* grad_residual, void* grad_x, float* partial,
                        int64_t n, int64_t d);

/// x, y [n, heads, 2 * half], cos, sin [n, half]; direction is 1 or -1.
Error rotate(Launch launch, const void* x, const void* cos, const void* sin, void* y, int64_t n,
             int64_t heads, int64_t half, float direction);

/// n numbers each.
Error swiglu_forward(Launch launch, const void* gate, const void* up, void* y, int64_t n);
Error swiglu_backward(Launch launch, const void* gate, const void* up, const void* grad,
                      void* grad_gate, void* grad_up, int64_t n);

/// to[index[i]] = from[i]: from [n, d], index [n] distinct.
Error scatter_rows(Launch launch, const void* from, const int64_t* index, void* to, int64_t n,
                   int64_t d);

/// out holds x [N, d] and receives its kept rows; y [n, d], index and weights [n], c [d].
Error bypass_forward(Launch launch, const void* x, const void* y, const int64_t* index,
                     const void* weights, const void* c, void* out, int64_t n, int64_t d);

/// grad_x holds grad_out; grad_y [n, d], grad_weights [n], partial [n_parts(n), d] for c.
Error bypass_backward(Launch launch, const void* grad_out, const void* x, const void* y,
                      const int64_t* index, const void* weights, const void* c, void* grad_x,
                      void* grad_y, void* grad_weights, float* partial, int64_t n, int64_t d);

/// logits [n, v] become gradients times `scale`; losses [n].
Error softmax_gradient(Launch launch, void* logits, const int64_t* labels, double* losses,
                       int64_t n, int64_t v, float scale);

/// One linear map: weight [f, d], bias [f] or null, y [rows, f].
struct Map {
  const void *weight, *bias;
  void* y;
  int64_t f;
};

constexpr int kMostMaps = 4;
/// Up to so many rows a warp's multiply-adds keep up with the memory that weights come from; with
/// more, the tensor cores of a matrix library do.
constexpr int64_t kMostMapRows = 8;

/// Each of n_maps <= kMostMaps maps of x [rows, d], 1 <= rows <= kMostMapRows, f > 0; x, weights
/// and their rows are aligned to 16 bytes.
Error linear_maps(Launch launch, const Map* maps, int n_maps, const void* x, int64_t rows,
                  int64_t d);

/// What decoding's attention works on: q and out [tokens, heads, width]; no query sees more than
/// `most_keys` keys.
struct DecodeShape {
  int64_t tokens, heads, kv_heads, width, most_keys;
  float scale;
};

/// k, v [n, kv_heads, width] to memory [2, n_rows, kv_heads, capacity, width] at lengths [n_rows]
/// of the rows row [n].
Error cache_append(Launch launch, const void* k, const void* v, const int64_t* row, void* memory,
                   const int64_t* lengths, int64_t n, int64_t n_rows, int64_t kv_heads,
                   int64_t capacity, int64_t width);

/// The same memory, whose capacity is shape.most_keys; token i sees lengths[row[i]] + 1 tokens.
/// records [tokens, heads, pieces of most_keys, width + 2].
Error cache_attention(Launch launch, const DecodeShape& shape, const void* q, const int64_t* row,
                      const void* memory, int64_t n_rows, const int64_t* lengths, float* records,
                      void* out);

/// Where the keys and values of one query lie: token t of key/value head g at
/// k + t * k_token + g * k_head, in numbers.
struct KeyPlace {
  const void *k, *v;
  int64_t k_token, v_token, k_head, v_head, n;
};

/// places [tokens], on the device; `aligned`: every pointer, step and the width keep to 16 bytes.
Error decode_attention(Launch launch, const DecodeShape& shape, const void* q,
                       const KeyPlace* places, bool aligned, float* records, void* out);

}  // namespace sublab::cuda

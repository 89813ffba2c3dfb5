// Decoding's attention on CUDA: a block per token, key/value head and piece of keys, then a block
// per query head that merges its pieces. Blocks of pieces behind a row's end return at once, so the
// grid depends on shapes alone.
#include <type_traits>

#include "models/kernels/block_tiles.cuh"
#include "models/kernels/cache_attention_body.h"

namespace sublab {
namespace cache_attention_kernel {
namespace {

constexpr int kThreads = 128;       ///< of a piece
constexpr int kMergeThreads = 512;  ///< of a query head

/// Where keys are: in a memory of fixed capacity, or, where `places` is not null, anywhere.
struct Source {
  const void* memory;
  const int64_t *row, *lengths;
  int64_t n_rows;
  const cuda::KeyPlace* places;
};

__device__ __forceinline__ int64_t n_keys(const Source& from, const cuda::DecodeShape& shape,
                                          int64_t token) {
  if (from.places) return from.places[token].n;
  const int64_t n = from.lengths[from.row[token]] + 1;
  return n < shape.most_keys ? n : shape.most_keys;
}

/// Tokens [begin, begin + n) of the keys that `token` sees through kv_head.
template <class T>
__device__ __forceinline__ Piece<T> piece_of(const Source& from, const cuda::DecodeShape& shape,
                                             int64_t token, int64_t kv_head, int64_t begin, int n) {
  if (from.places) {
    const cuda::KeyPlace& place = from.places[token];
    return {static_cast<const T*>(place.k) + begin * place.k_token + kv_head * place.k_head,
            static_cast<const T*>(place.v) + begin * place.v_token + kv_head * place.v_head,
            place.k_token, place.v_token, n};
  }
  const int64_t head = from.row[token] * shape.kv_heads + kv_head;
  const int64_t at = (head * shape.most_keys + begin) * shape.width;
  const int64_t values = from.n_rows * shape.kv_heads * shape.most_keys * shape.width;
  const T* memory = static_cast<const T*>(from.memory);
  return {memory + at, memory + values + at, shape.width, shape.width, n};
}

/// Values are asked for before the keys are read: they are on their way while logits are made.
template <class T>
__device__ __forceinline__ void fetch_values(const Piece<T>& piece, int d) {
  const int lines = static_cast<int>((d * sizeof(T) + 127) / 128);
  for (int i = static_cast<int>(threadIdx.x); i < piece.n * lines; i += kThreads) {
    const int t = i / lines;
    const T* at = piece.v + t * piece.v_stride + (i - t * lines) * (128 / sizeof(T));
    asm volatile("prefetch.global.L2 [%0];" ::"l"(at));
  }
}

template <int Heads, int N, class T>
__global__ void __launch_bounds__(kThreads)
    attend_pieces(Source from, cuda::DecodeShape shape, int64_t n_pieces, const T* q,
                  float* records) {
  extern __shared__ __align__(16) float shared[];
  const auto d = static_cast<int>(shape.width);
  const Scratch scratch{shared, shared + Heads * d};
  const cuda::BlockTiles team(scratch.weights + Heads * kPiece);
  const int64_t unit = blockIdx.x / n_pieces, index = blockIdx.x - unit * n_pieces;
  const int64_t token = unit / shape.kv_heads, kv_head = unit - token * shape.kv_heads;
  const int64_t begin = index * kPiece, left = n_keys(from, shape, token) - begin;
  if (left <= 0) return;
  const Piece<T> piece = piece_of<T>(from, shape, token, kv_head, begin,
                                     static_cast<int>(left < kPiece ? left : kPiece));
  fetch_values(piece, d);
  const int64_t size = record_size(d), group = shape.heads / shape.kv_heads;
  for (int64_t first = 0; first < group; first += Heads) {
    const int64_t head = token * shape.heads + kv_head * group + first;
    const auto heads = static_cast<int>(group - first < Heads ? group - first : Heads);
    attend_piece<Heads, N>(team, q + head * d, heads, d, piece, shape.scale, scratch,
                           records + (head * n_pieces + index) * size, n_pieces * size);
  }
}

template <class T>
__global__ void __launch_bounds__(kMergeThreads)
    merge_heads(Source from, cuda::DecodeShape shape, int64_t n_pieces, const float* records,
                T* out) {
  __shared__ float meeting[kMergeThreads];
  const int64_t head = blockIdx.x, n = n_keys(from, shape, head / shape.heads);
  merge_pieces(cuda::BlockTiles(meeting), records + head * n_pieces * record_size(shape.width),
               static_cast<int>((n + kPiece - 1) / kPiece), static_cast<int>(shape.width),
               out + head * shape.width);
}

template <class T>
__global__ void append_tokens(const T* k, const T* v, const int64_t* row, T* memory,
                              const int64_t* lengths, int64_t n_rows, int64_t kv_heads,
                              int64_t capacity, int64_t d) {
  const int64_t token = blockIdx.x, place = lengths[row[token]];
  if (place >= capacity) return;
  T* keys = memory + (row[token] * kv_heads * capacity + place) * d;
  T* values = keys + n_rows * kv_heads * capacity * d;
  for (int64_t i = threadIdx.x; i < kv_heads * d; i += blockDim.x) {
    const int64_t g = i / d, to = g * capacity * d + (i - g * d);
    keys[to] = k[token * kv_heads * d + i];
    values[to] = v[token * kv_heads * d + i];
  }
}

/// work(Heads, N) as types: how many query heads are served at once, how many numbers read at once.
template <class T, class F>
void with_tiles(int64_t group, bool aligned, const F& work) {
  constexpr std::integral_constant<int, 16 / sizeof(T)> wide{};
  if (!aligned)
    work(std::integral_constant<int, 1>{}, std::integral_constant<int, 1>{});
  else if (group == 1)
    work(std::integral_constant<int, 1>{}, wide);
  else if (group == 2)
    work(std::integral_constant<int, 2>{}, wide);
  else if (group <= 4)
    work(std::integral_constant<int, 4>{}, wide);
  else
    work(std::integral_constant<int, 8>{}, wide);
}

cuda::Error attend(cuda::Launch launch, const Source& from, const cuda::DecodeShape& shape,
                   const void* q, bool aligned, float* records, void* out) {
  const int64_t n_pieces = (shape.most_keys + kPiece - 1) / kPiece;
  return cuda::with_type(launch.number, [&](auto zero) {
    using T = decltype(zero);
    with_tiles<T>(shape.heads / shape.kv_heads, aligned, [&](auto heads, auto numbers) {
      const auto kernel = attend_pieces<heads(), numbers(), T>;
      const int64_t shared = heads() * (shape.width + kPiece + int64_t{kThreads} * numbers());
      const auto blocks = static_cast<unsigned>(shape.tokens * shape.kv_heads * n_pieces);
      kernel<<<blocks, kThreads, cuda::columns_bytes(kernel, shared), launch.stream>>>(
          from, shape, n_pieces, static_cast<const T*>(q), records);
    });
    merge_heads<<<static_cast<unsigned>(shape.tokens * shape.heads), kMergeThreads, 0,
                  launch.stream>>>(from, shape, n_pieces, records, static_cast<T*>(out));
  });
}

}  // namespace
}  // namespace cache_attention_kernel

cuda::Error cuda::cache_append(Launch launch, const void* k, const void* v, const int64_t* row,
                               void* memory, const int64_t* lengths, int64_t n, int64_t n_rows,
                               int64_t kv_heads, int64_t capacity, int64_t width) {
  return with_type(launch.number, [&](auto zero) {
    using T = decltype(zero);
    cache_attention_kernel::append_tokens<<<static_cast<unsigned>(n), threads_for(kv_heads * width),
                                            0, launch.stream>>>(
        static_cast<const T*>(k), static_cast<const T*>(v), row, static_cast<T*>(memory), lengths,
        n_rows, kv_heads, capacity, width);
  });
}

cuda::Error cuda::cache_attention(Launch launch, const DecodeShape& shape, const void* q,
                                  const int64_t* row, const void* memory, int64_t n_rows,
                                  const int64_t* lengths, float* records, void* out) {
  const int64_t numbers = launch.number == Number::kFloat32 ? 4 : 8;
  const bool aligned = shape.width % numbers == 0 && reinterpret_cast<uintptr_t>(memory) % 16 == 0;
  return cache_attention_kernel::attend(launch, {memory, row, lengths, n_rows, nullptr}, shape, q,
                                        aligned, records, out);
}

cuda::Error cuda::decode_attention(Launch launch, const DecodeShape& shape, const void* q,
                                   const KeyPlace* places, bool aligned, float* records,
                                   void* out) {
  return cache_attention_kernel::attend(launch, {nullptr, nullptr, nullptr, 0, places}, shape, q,
                                        aligned, records, out);
}

}  // namespace sublab

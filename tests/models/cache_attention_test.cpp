// Decoding against caches whose lengths are tensors: the plain form against attention over each
// row's own keys, the CPU's loop and a block of threads against the plain form.
#include "models/kernels/cache_attention.h"

#include <catch2/catch.hpp>

#include "models/kernels/cache_attention_body.h"
#include "models/kernels/decode_attention.h"
#include "tests/models/small_models.h"
#include "tests/models/tile_threads.h"

using namespace sublab;

namespace {

/// Rows of ragged lengths in a memory whose unused places are NaN; one new token for some of them.
struct Caches {
  Caches(int64_t heads, int64_t kv_heads, int64_t width, at::ScalarType type)
      : lengths(at::tensor({0, 1, 126, 127, 128, 129, 254, 255, 60}, at::kLong)),
        row(at::tensor({8, 0, 7, 2, 3, 4, 5, 6}, at::kLong)),
        memory(at::full({2, lengths.numel(), kv_heads, 256, width}, NAN, type)),
        q(2 * at::randn({row.numel(), heads, width}, type)),
        k(at::randn({row.numel(), kv_heads, width}, type)),
        v(at::randn({row.numel(), kv_heads, width}, type)) {
    for (int64_t b = 0; b < lengths.numel(); ++b) {
      at::Tensor held = memory.select(1, b).slice(2, 0, length(b));
      held.copy_(at::randn(held.sizes(), type));
    }
  }
  int64_t length(int64_t b) const { return lengths[b].item<int64_t>(); }

  /// Each query over its row's first tokens, the new one included.
  at::Tensor truth(double scale) const {
    std::vector<VisibleTokens> visible;
    for (int64_t i = 0; i < row.numel(); ++i) {
      const int64_t b = row[i].item<int64_t>();
      const at::Tensor kept = memory.select(1, b).slice(2, 0, length(b)).to(at::kDouble);
      const auto with = [&](int64_t which, const at::Tensor& x) {
        return at::cat({kept[which].transpose(0, 1), x[i].unsqueeze(0).to(at::kDouble)});
      };
      visible.push_back({with(0, k), with(1, v)});
    }
    return decode_attention_naive(q.to(at::kDouble), visible, scale);
  }

  at::Tensor lengths, row, memory, q, k, v;
};

const std::vector<std::tuple<int64_t, int64_t, int64_t>> kShapes = {
    {1, 1, 2}, {4, 4, 8}, {6, 2, 33}, {8, 1, 64}, {10, 2, 48}};

/// What the CUDA kernel does for query i: pieces by a block of threads, then their merge.
template <int Heads, int N>
at::Tensor by_threads(const Caches& caches, int64_t i, float scale) {
  using namespace cache_attention_kernel;
  const int64_t heads = caches.q.size(1), kv_heads = caches.k.size(1), d = caches.q.size(2);
  const int64_t b = caches.row[i].item<int64_t>(), n = caches.length(b) + 1;
  const int64_t group = heads / kv_heads, pieces = (n + kPiece - 1) / kPiece;
  at::Tensor records = at::full({heads, pieces, record_size(d)}, NAN), out = at::empty({heads, d});
  std::vector<float> queries(Heads * d), weights(Heads * kPiece, NAN);
  for (int64_t h = 0; h < heads; h += std::min<int64_t>(Heads, group - h % group))
    for (int64_t p = 0; p < pieces; ++p) {
      const auto here = [&](int64_t which) {
        return caches.memory[which][b][h / group][p * kPiece].const_data_ptr<float>();
      };
      attend_piece<Heads, N>(
          TileThreads{}, caches.q[i][h].const_data_ptr<float>(),
          static_cast<int>(std::min<int64_t>(Heads, group - h % group)), static_cast<int>(d),
          Piece<float>{here(0), here(1), d, d,
                       static_cast<int>(std::min<int64_t>(kPiece, n - p * kPiece))},
          scale, {queries.data(), weights.data()}, records[h][p].data_ptr<float>(),
          pieces * record_size(d));
    }
  for (int64_t h = 0; h < heads; ++h)
    merge_pieces(TileThreads{}, records[h].const_data_ptr<float>(), static_cast<int>(pieces),
                 static_cast<int>(d), out[h].data_ptr<float>());
  return out;
}

}  // namespace

TEST_CASE("a token is appended where its row ends, and nowhere else", "[numerics]") {
  Caches caches(2, 2, 4, at::kFloat);
  const at::Tensor before = caches.memory.clone();
  cache_append(caches.k, caches.v, caches.row, caches.memory, caches.lengths);
  for (int64_t i = 0; i < caches.row.numel(); ++i) {
    const int64_t b = caches.row[i].item<int64_t>();
    at::Tensor now = caches.memory.select(1, b);
    CHECK(now[0].select(1, caches.length(b)).equal(caches.k[i]));
    CHECK(now[1].select(1, caches.length(b)).equal(caches.v[i]));
    now.select(2, caches.length(b)).copy_(before.select(1, b).select(2, caches.length(b)));
  }
  CHECK(caches.memory.nan_to_num(7).equal(before.nan_to_num(7)));
}

TEST_CASE("cache attention is attention over each row's own tokens, whatever lies behind",
          "[numerics]") {
  at::manual_seed(8);
  for (const auto& [heads, kv_heads, width] : kShapes)
    for (const auto& [type, tolerance] : std::vector<std::pair<at::ScalarType, double>>{
             {at::kFloat, 1e-5}, {at::kDouble, 1e-12}, {at::kBFloat16, 3e-2}}) {
      INFO(heads << " heads over " << kv_heads << ", width " << width << ", " << type);
      Caches caches(heads, kv_heads, width, type);
      const at::Tensor truth = caches.truth(0.3);
      cache_append(caches.k, caches.v, caches.row, caches.memory, caches.lengths);
      const auto& [lengths, row, memory, q, k, v] = caches;
      CHECK(max_difference(cache_attention_naive(q, row, memory, lengths, 0.3), truth) < tolerance);
      const at::Tensor out = cache_attention(q, row, memory, lengths, 0.3);
      CHECK(max_difference(out, truth) < tolerance);
      if (type == at::kFloat)  // a query's numbers do not depend on its neighbours
        CHECK(cache_attention(q.slice(0, 3, 4), row.slice(0, 3, 4), memory, lengths, 0.3)
                  .equal(out.slice(0, 3, 4)));
    }
}

TEST_CASE("the body of cache attention holds for a block of threads", "[numerics]") {
  at::manual_seed(9);
  for (const auto& [heads, kv_heads, width] : kShapes) {
    INFO(heads << " heads over " << kv_heads << ", width " << width);
    Caches caches(heads, kv_heads, width, at::kFloat);
    const at::Tensor truth = caches.truth(0.3);
    cache_append(caches.k, caches.v, caches.row, caches.memory, caches.lengths);
    for (int64_t i = 0; i < caches.row.numel(); ++i) {
      CHECK(max_difference(by_threads<1, 1>(caches, i, 0.3f), truth[i]) < 1e-5);
      CHECK(max_difference(by_threads<2, 1>(caches, i, 0.3f), truth[i]) < 1e-5);
      if (width % 4 != 0) continue;
      CHECK(max_difference(by_threads<4, 4>(caches, i, 0.3f), truth[i]) < 1e-5);
      CHECK(max_difference(by_threads<8, 4>(caches, i, 0.3f), truth[i]) < 1e-5);
    }
  }
}

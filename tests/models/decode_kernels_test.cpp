// What decoding runs: a linear map of few rows, attention of single queries, chunked prefill.
#include <catch2/catch.hpp>
#include <cmath>

#include "models/kernels/decode_attention.h"
#include "models/kernels/skinny_linear.h"
#include "models/parts/attention.h"
#include "models/parts/kv_cache.h"
#include "tests/models/small_models.h"

using namespace sublab;

TEST_CASE("a linear map of few rows equals the library's", "[numerics]") {
  at::NoGradGuard no_grad;
  at::manual_seed(3);
  for (const int64_t n : {1, 2, 3, 5, 8, 16, 17})
    for (const auto& [d, f] : std::vector<std::pair<int64_t, int64_t>>{
             {1, 1}, {7, 5}, {32, 61}, {50, 130}, {512, 513}}) {
      INFO(n << " rows, " << d << " -> " << f);
      const at::Tensor x = at::randn({n, d}), w = at::randn({f, d}), bias = at::randn({f});
      CHECK(linear_is_skinny(x, w) == (n <= 16));
      const at::Tensor truth = at::linear(x.to(at::kDouble), w.to(at::kDouble));
      const double tolerance = 2e-6 * std::sqrt(static_cast<double>(d)) * 4;
      CHECK(max_difference(linear_map(x, w, {}), truth) < tolerance);
      CHECK(max_difference(linear_map(x, w, bias), truth + bias.to(at::kDouble)) < tolerance);
      if (n <= 16)  // a row's numbers do not depend on its neighbours
        CHECK(linear_map(x.slice(0, n - 1), w, {}).equal(linear_map(x, w, {}).slice(0, n - 1)));
    }
}

TEST_CASE("a linear map that trains has the library's gradients", "[numerics]") {
  const at::Tensor x = at::randn({3, 8}).requires_grad_(), w = at::randn({5, 8}).requires_grad_();
  CHECK_FALSE(linear_is_skinny(x, w));
  linear_map(x, w, {}).sum().backward();
  CHECK(max_difference(w.grad(), x.detach().sum(0).expand({5, 8})) < 1e-5);
}

TEST_CASE("decode attention equals plain operators: groups, odd widths, ragged rows",
          "[numerics]") {
  at::NoGradGuard no_grad;
  at::manual_seed(4);
  for (const auto& [heads, kv_heads] :
       std::vector<std::pair<int64_t, int64_t>>{{4, 4}, {6, 2}, {3, 1}})
    for (const int64_t width : {2, 8, 33, 64}) {
      INFO(heads << " heads over " << kv_heads << ", width " << width);
      std::vector<VisibleTokens> visible;
      for (const int64_t n : {1, 2, 63, 64, 65, 513, 1100}) {
        const at::Tensor kv = 3 * at::randn({2, kv_heads, n + 1, width});
        visible.push_back(
            {kv[0].transpose(0, 1).slice(0, 0, n), kv[1].transpose(0, 1).slice(0, 0, n)});
      }
      const at::Tensor q = at::randn({7, heads, width});
      std::vector<VisibleTokens> wide;
      for (const auto& [k, v] : visible) wide.push_back({k.to(at::kDouble), v.to(at::kDouble)});
      const at::Tensor out = decode_attention(q, visible, 0.3);
      CHECK(max_difference(out, decode_attention_naive(q.to(at::kDouble), wide, 0.3)) < 2e-5);
      CHECK(decode_attention(q.slice(0, 5, 6), {visible[5]}, 0.3).equal(out.slice(0, 5, 6)));
    }
}

TEST_CASE("new tokens against a cache equal whole rows, however they are cut", "[numerics]") {
  at::NoGradGuard no_grad;
  at::manual_seed(6);
  for (const int64_t kv_heads : {1, 2, 4})
    for (const auto dtype : {at::kFloat, at::kDouble})
      for (const std::vector<int64_t>& lengths :
           std::vector<std::vector<int64_t>>{{1}, {97}, {40, 1, 75, 0}}) {
        const RowsPtr all = Rows::contiguous(lengths);
        const auto random = [&](int64_t heads) {
          return at::randn({all->n_tokens(), heads, 6}, dtype);
        };
        const at::Tensor q = random(4), k = random(kv_heads), v = random(kv_heads);
        const at::Tensor truth = local_attention()->whole_rows(q, k, v, *all, Run{});
        for (const int64_t piece : {1, 3, 17, 50}) {
          INFO(kv_heads << " key heads, pieces of " << piece);
          FullKvCache cache({.n_rows = all->n_rows(),
                             .expected_tokens = 1,
                             .n_kv_heads = kv_heads,
                             .head_dim = 6,
                             .options = q.options()});
          double error = 0;
          for (int64_t done = 0; done < 97; done += piece) {
            std::vector<int64_t> take, index;
            for (int64_t b = 0; b < all->n_rows(); ++b) {
              take.push_back(std::clamp<int64_t>(lengths[b] - done, 0, piece));
              for (int64_t i = 0; i < take.back(); ++i) index.push_back(all->begin(b) + done + i);
            }
            const RowsPtr rows = Rows::contiguous(take);
            const at::Tensor chosen = at::tensor(index, at::kLong);
            const auto of = [&](const at::Tensor& x) { return x.index_select(0, chosen); };
            if (index.empty()) break;
            cache.append(of(k), of(v), *rows);
            std::vector<VisibleTokens> visible;
            for (int64_t b = 0; b < all->n_rows(); ++b) visible.push_back(cache.row(b));
            error = std::max(
                error,
                max_difference(local_attention()->step(of(q), visible, *rows, Run{}), of(truth)));
          }
          CHECK(error < (dtype == at::kFloat ? 1e-5 : 1e-12));
        }
      }
}

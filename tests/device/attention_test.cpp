// Attention on the device against plain operators on the CPU in fp64: whole rows, equal and ragged,
// steps of any size, blocks with their log-sums. Values and gradients.
#include "models/parts/attention.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "models/parts/partial_attention.h"
#include "tests/device/compare.h"

using namespace sublab;

namespace {

/// bf16 rounds the probabilities (2^-9 each) before they meet the values, and the gradients of the
/// logits before they meet the keys, beside results and inputs: some 2^-7 of the largest number.
double bound(at::ScalarType type) {
  return type == at::kDouble ? 1e-11 : type == at::kFloat ? 1e-4 : 4e-2;
}

using Pairs = std::vector<std::pair<int64_t, int64_t>>;

struct Heads {
  Heads(int64_t n, int64_t heads, int64_t kv_heads, int64_t width, at::ScalarType type)
      : q(at::randn({n, heads, width}).to(type)),
        k(at::randn({n, kv_heads, width}).to(type)),
        v(at::randn({n, kv_heads, width}).to(type)) {}

  /// q, k, v as leaves.
  Tensors on(at::Device device, at::ScalarType type) const {
    Tensors out;
    for (const at::Tensor& x : {q, k, v})
      out.push_back(x.to(at::device(device).dtype(type), false, true).requires_grad_());
    return out;
  }

  at::Tensor q, k, v;
};

/// Attention of each row over all its tokens, from plain operators.
at::Tensor plain_rows(const Tensors& x, const Rows& rows) {
  Tensors out;
  for (int64_t b = 0; b < rows.n_rows(); ++b) {
    const int64_t n = rows.length(b), begin = rows.begin(b);
    if (n == 0) continue;
    const auto row = [&](const at::Tensor& all) { return all.slice(0, begin, begin + n); };
    const at::Tensor later = at::ones({n, n}, at::kBool).triu(1);
    out.push_back(attend_block_naive(row(x[0]), row(x[1]), row(x[2]), later).out);
  }
  return at::cat(out);
}

void check_rows(const std::vector<int64_t>& lengths, int64_t heads, int64_t kv_heads, int64_t width,
                at::ScalarType type) {
  INFO(lengths.size() << " rows, " << heads << " heads over " << kv_heads << ", width " << width
                      << ", " << type);
  const RowsPtr rows = Rows::contiguous(lengths);
  const Heads made(rows->n_tokens(), heads, kv_heads, width, type);
  const Tensors exact = made.on(at::kCPU, at::kDouble), there = made.on(device_under_test(), type);
  const at::Tensor truth = plain_rows(exact, *rows);
  const at::Tensor out = local_attention()->whole_rows(there[0], there[1], there[2], *rows, Run{});
  CHECK(out.scalar_type() == type);
  CHECK(distance(out, truth) < bound(type));
  const at::Tensor weights = at::randn(truth.sizes()).to(type);
  (truth * weights.to(at::kDouble)).sum().backward();
  (out * weights.to(out.device())).sum().backward();
  for (size_t i = 0; i < 3; ++i) {
    INFO("gradient " << i);
    CHECK(distance(there[i].grad(), exact[i].grad()) < bound(type));
  }
}

}  // namespace

TEST_CASE("whole rows on the device, equal and ragged, groups and odd widths", "[kernels]") {
  at::manual_seed(1);
  for (const at::ScalarType type : types_under_test())
    for (const std::vector<int64_t>& lengths : std::vector<std::vector<int64_t>>{
             {1}, {33, 33}, {128}, {40, 1, 75}, {0, 17, 0, 29, 64, 0}, {200, 3}})
      for (const auto& [heads, kv_heads] : some_of(Pairs{{6, 2}, {4, 4}, {3, 1}}, 1))
        for (const int64_t width : some_of<int64_t>({6, 33, 64, 128}, 1))
          check_rows(lengths, heads, kv_heads, width, type);
}

TEST_CASE("new tokens on the device against what their rows hold", "[kernels]") {
  at::NoGradGuard no_grad;
  at::manual_seed(2);
  for (const at::ScalarType type : types_under_test())
    for (const int64_t width : some_of<int64_t>({6, 64}, 1))
      for (const std::vector<int64_t>& news :
           std::vector<std::vector<int64_t>>{{1, 1, 1}, {3, 0, 2}, {20, 1, 7}}) {
        const std::vector<int64_t> past = {70, 5, 0};
        const RowsPtr rows = Rows::contiguous(news);
        Tensors queries, truth;
        std::vector<VisibleTokens> visible;
        for (size_t b = 0; b < news.size(); ++b) {
          const int64_t n = past[b] + news[b];
          const Heads row(n, 6, 2, width, type);
          visible.push_back({row.k.to(device_under_test()), row.v.to(device_under_test())});
          queries.push_back(row.q.slice(0, past[b]));
          const at::Tensor later = at::ones({n, n}, at::kBool).triu(1);
          truth.push_back(attend_block_naive(wide(row.q), wide(row.k), wide(row.v), later)
                              .out.slice(0, past[b]));
        }
        INFO("width " << width << ", " << news[0] << " new tokens of the first row, " << type);
        const at::Tensor q = at::cat(queries).to(device_under_test());
        const at::Tensor out = local_attention()->step(q, visible, *rows, Run{});
        CHECK(distance(out, at::cat(truth)) < bound(type));
      }
}

TEST_CASE("blocks and their log-sums on the device, gradients of both", "[kernels]") {
  at::manual_seed(3);
  for (const at::ScalarType type : types_under_test())
    for (const auto& [kv_heads, width] : some_of(Pairs{{2, 5}, {6, 64}, {2, 64}, {6, 12}}, 1))
      for (const bool causal : {false, true}) {
        INFO(kv_heads << " key heads of " << width << (causal ? ", causal, " : ", ") << type);
        const Heads made(37, 6, kv_heads, width, type);
        const auto results = [&](const Tensors& x, bool plain) {
          const at::Tensor later = at::ones({37, 37}, at::device(x[0].device()).dtype(at::kBool));
          const at::Tensor hidden = causal ? later.triu(1) : later.logical_not();
          const Visible visible = causal ? Visible::causal : Visible::all;
          const AttentionPartial part = plain ? attend_block_naive(x[0], x[1], x[2], hidden)
                                              : attend_block(x[0], x[1], x[2], visible);
          at::manual_seed(17);
          const at::Tensor a = at::randn(part.out.sizes()), b = at::randn({37, 6});
          ((part.out * a.to(part.out.options())).sum() +
           (part.log_sum_of_exp * b.to(part.out.options())).sum())
              .backward();
          return Tensors{part.out, part.log_sum_of_exp, x[0].grad(), x[1].grad(), x[2].grad()};
        };
        const Tensors truth = results(made.on(at::kCPU, at::kDouble), true);
        const Tensors got = results(made.on(device_under_test(), type), false);
        for (size_t i = 0; i < got.size(); ++i) {
          INFO("result " << i);
          CHECK(distance(got[i], truth[i]) < bound(type));
        }
      }
}

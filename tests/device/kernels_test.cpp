// Every kernel on the device against its naive form on the CPU in fp64: values, gradients, odd
// shapes. On a card in fp32 and bf16; the second device, which has the CPU's operators alone, takes
// the plain forms that a device without kernels gets.
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>

#include "models/kernels/cache_attention.h"
#include "models/kernels/decode_attention.h"
#include "models/kernels/rms_norm.h"
#include "models/kernels/rotate.h"
#include "models/kernels/skinny_linear.h"
#include "models/kernels/subsample.h"
#include "models/kernels/swiglu.h"
#include "models/parts/lm_head.h"
#include "tests/device/compare.h"

using namespace sublab;

namespace {

using Form = std::function<Tensors(const Tensors&)>;

/// fp64 has 1e-12 left after sums of thousands; fp32 sums in another order, some 1e-6 of each term;
/// bf16 rounds each result to 2^-9, and where two roundings meet (a rounded number times a weight,
/// rounded again) to twice that. The truth is made from the rounded inputs.
double bound(at::ScalarType type) {
  return type == at::kDouble ? 1e-12 : type == at::kFloat ? 5e-5 : 2e-2;
}

Tensors leaves(const Tensors& inputs, const at::TensorOptions& where) {
  Tensors out;
  for (const at::Tensor& input : inputs)
    out.push_back(input.detach().to(where, false, /*copy=*/true).requires_grad_());
  return out;
}

/// Results and gradients of a sum of them with fixed weights.
Tensors with_gradients(const Form& form, const Tensors& inputs, const Tensors& weights) {
  Tensors out = form(inputs);
  at::Tensor sum;
  for (size_t i = 0; i < out.size(); ++i) {
    const at::Tensor part = (out[i] * weights[i].to(out[i].options())).sum();
    sum = i == 0 ? part : sum + part;
  }
  sum.backward();
  for (at::Tensor& y : out) y = y.detach();
  for (const at::Tensor& input : inputs) out.push_back(input.grad());
  return out;
}

/// The fused form on the device equals the naive one on the CPU in fp64 from the same numbers, and
/// gives the same bits twice.
void check(const Tensors& inputs, const Form& fused, const Form& naive, at::ScalarType type) {
  const at::TensorOptions there = at::device(device_under_test()).dtype(type);
  const Tensors rounded = leaves(inputs, at::TensorOptions(type));
  const Tensors exact = leaves(rounded, at::kDouble);
  Tensors weights;
  {
    at::NoGradGuard no_grad;
    for (const at::Tensor& y : naive(exact)) weights.push_back(at::randn(y.sizes()).to(type));
  }
  const Tensors truth = with_gradients(naive, exact, weights);
  const Tensors got = with_gradients(fused, leaves(rounded, there), weights);
  const Tensors again = with_gradients(fused, leaves(rounded, there), weights);
  REQUIRE(got.size() == truth.size());
  for (size_t i = 0; i < got.size(); ++i) {
    INFO("result " << i << " of " << type);
    REQUIRE(got[i].defined());
    CHECK(got[i].scalar_type() == type);
    CHECK(got[i].device() == device_under_test());
    CHECK(distance(got[i], truth[i]) < bound(type));
    CHECK(got[i].cpu().equal(again[i].cpu()));
  }
}

Tensors both(const std::pair<at::Tensor, at::Tensor>& pair) { return {pair.first, pair.second}; }

using Sizes = std::vector<std::pair<int64_t, int64_t>>;

const Sizes kRowSizes = {{3, 14}, {65, 50}, {1, 2}, {200, 128}, {33, 1032}, {1100, 64}};
const Sizes kHeads = {{6, 2}, {1, 1}, {4, 4}, {16, 2}, {4, 1}, {20, 2}};
const std::vector<int64_t> kWidths = {8, 33, 2, 64, 128};

void check_rows(int64_t n, int64_t d, at::ScalarType type) {
  INFO(n << " x " << d);
  const at::Tensor x = at::randn({n, d}), y = 3 * at::randn({n, d}), w = at::randn({d});
  check(
      {x, w}, [](const Tensors& v) -> Tensors { return {rms_norm(v[0], v[1], 1e-5)}; },
      [](const Tensors& v) -> Tensors { return {rms_norm_naive(v[0], v[1], 1e-5)}; }, type);
  check(
      {x, y, w}, [](const Tensors& v) { return both(add_rms_norm(v[0], v[1], v[2], 1e-5)); },
      [](const Tensors& v) { return both(add_rms_norm_naive(v[0], v[1], v[2], 1e-5)); }, type);
  check(
      {x, y}, [](const Tensors& v) -> Tensors { return {swiglu(v[0], v[1])}; },
      [](const Tensors& v) -> Tensors { return {swiglu_naive(v[0], v[1])}; }, type);
  const at::Tensor angle = at::randn({n, d / 2});
  const at::Tensor cos = angle.cos().to(type), sin = angle.sin().to(type);
  const at::Tensor cos_there = cos.to(device_under_test()), sin_there = sin.to(device_under_test());
  check(
      {at::randn({n, 3, d})},
      [&](const Tensors& v) -> Tensors { return {rotate(v[0], cos_there, sin_there)}; },
      [&](const Tensors& v) -> Tensors {
        return {rotate_naive(v[0], cos.to(at::kDouble), sin.to(at::kDouble))};
      },
      type);
}

void check_subsampling(int64_t n, int64_t d, int64_t stride, at::ScalarType type) {
  INFO(n << " x " << d << ", every " << stride);
  const at::Tensor index = at::arange(0, n, stride, at::kLong),
                   there = index.to(device_under_test());
  const int64_t m = index.numel();
  check(
      {at::randn({n, d})}, [&](const Tensors& v) -> Tensors { return {gather_rows(v[0], there)}; },
      [&](const Tensors& v) -> Tensors { return {v[0].index_select(0, index)}; }, type);
  check(
      {at::randn({n, d}), at::randn({m, d}), at::rand({m}), at::randn({d})},
      [&](const Tensors& v) -> Tensors { return {bypass_return(v[0], v[1], there, v[2], v[3])}; },
      [&](const Tensors& v) -> Tensors {
        return {bypass_return_naive(v[0], v[1], index, v[2], v[3])};
      },
      type);
}

}  // namespace

TEST_CASE("row kernels on the device equal the CPU's plain forms, gradients too", "[kernels]") {
  at::manual_seed(1);
  for (const at::ScalarType type : types_under_test())
    for (const auto& [n, d] : some_of(kRowSizes, 2)) {
      check_rows(n, d, type);
      for (const int64_t stride : some_of<int64_t>({2, 300, 1}, 2))
        check_subsampling(n, d, stride, type);
    }
}

TEST_CASE("more columns than shared memory gives unasked", "[kernels]") {
  if (!on_a_card()) return;
  at::manual_seed(2);
  check_rows(7, 20008, at::kBFloat16);
  check_rows(7, 20002, at::kFloat);
}

TEST_CASE("the loss on the device equals the CPU's, ignored labels and odd vocabularies too",
          "[kernels]") {
  at::manual_seed(3);
  for (const at::ScalarType type : types_under_test())
    for (const auto& [n, d, v] : some_of<std::tuple<int64_t, int64_t, int64_t>>(
             {{1, 4, 5}, {77, 32, 301}, {300, 16, 5003}, {130, 8, 32000}}, 2)) {
      INFO(n << " x " << d << " to " << v);
      at::Tensor labels = at::randint(-1, v, {n}, at::kLong);
      labels[0] = v - 1;
      const at::Tensor there = labels.to(device_under_test());
      check(
          {at::randn({n, d}), at::randn({v, d}) / std::sqrt(static_cast<double>(d))},
          [&](const Tensors& x) -> Tensors { return {lm_loss(x[0], x[1], there, 7.0)}; },
          [&](const Tensors& x) -> Tensors { return {lm_loss_naive(x[0], x[1], labels, 7.0)}; },
          type);
    }
}

TEST_CASE("linear maps of few rows on the device equal the CPU's", "[kernels]") {
  at::NoGradGuard no_grad;
  at::manual_seed(4);
  const at::Device device = device_under_test();
  for (const at::ScalarType type : types_under_test())
    for (const int64_t n : some_of<int64_t>({2, 9, 1, 3, 4, 5, 6, 7, 8, 17}, 2))
      for (const auto& [d, f] :
           some_of(Sizes{{64, 61}, {7, 5}, {8, 1}, {520, 130}, {2048, 515}}, 2)) {
        INFO(n << " rows, " << d << " -> " << f << ", " << type);
        const at::Tensor x = at::randn({n, d}).to(type), bias = at::randn({f}).to(type);
        const at::Tensor w = (at::randn({f, d}) / std::sqrt(static_cast<double>(d))).to(type);
        const at::Tensor u = (at::randn({f + 3, d}) / std::sqrt(static_cast<double>(d))).to(type);
        const at::Tensor x_there = x.to(device), w_there = w.to(device), u_there = u.to(device);
        const auto made = linear_maps(x_there, {{w_there, bias.to(device)}, {u_there, {}}});
        CHECK(distance(made[0], at::linear(wide(x), wide(w), wide(bias))) < bound(type));
        CHECK(distance(made[1], at::linear(wide(x), wide(u))) < bound(type));
        CHECK(linear_map(x_there, u_there, {}).cpu().equal(made[1].cpu()));
        if (on_a_card() && type != at::kDouble)
          CHECK(linear_is_skinny(x_there, w_there) == (n <= 8 && d % 8 == 0));
        if (!linear_is_skinny(x_there, w_there)) continue;
        const at::Tensor last = x_there.slice(0, n - 1);  // a row does not depend on the others
        CHECK(linear_map(last, u_there, {}).cpu().equal(made[1].slice(0, n - 1).cpu()));
      }
}

TEST_CASE("attention of single queries on the device: groups, odd widths, ragged rows",
          "[kernels]") {
  at::NoGradGuard no_grad;
  at::manual_seed(5);
  const at::Device device = device_under_test();
  for (const at::ScalarType type : types_under_test())
    for (const auto& [heads, kv_heads] : some_of(kHeads, 2))
      for (const int64_t width : some_of(kWidths, 2)) {
        INFO(heads << " heads over " << kv_heads << ", width " << width << ", " << type);
        std::vector<VisibleTokens> visible, exact;
        for (const int64_t n : {1, 2, 127, 128, 129, 513, 1100}) {
          const at::Tensor kv = at::randn({2, kv_heads, n + 1, width}).to(type),
                           there = kv.to(device);
          const auto of = [&](const at::Tensor& x) { return x.transpose(0, 1).slice(0, 0, n); };
          visible.push_back({of(there[0]), of(there[1])});
          exact.push_back({of(wide(kv[0])), of(wide(kv[1]))});
        }
        const at::Tensor q = at::randn({7, heads, width}).to(type), q_there = q.to(device);
        const at::Tensor out = decode_attention(q_there, visible, 0.2);
        CHECK(distance(out, decode_attention_naive(wide(q), exact, 0.2)) < bound(type));
        CHECK(decode_attention(q_there, visible, 0.2).cpu().equal(out.cpu()));
        if (has_decode_attention(q_there))
          CHECK(decode_attention(q_there.slice(0, 5, 6), {visible[5]}, 0.2)
                    .cpu()
                    .equal(out.slice(0, 5, 6).cpu()));
      }
}

TEST_CASE("attention against caches with lengths on the device", "[kernels]") {
  at::NoGradGuard no_grad;
  at::manual_seed(6);
  const at::Device device = device_under_test();
  const at::Tensor lengths = at::tensor({0, 1, 126, 127, 128, 129, 298, 299}, at::kLong);
  const at::Tensor row = at::tensor({7, 0, 6, 2, 3, 4, 5}, at::kLong);
  for (const at::ScalarType type : types_under_test())
    for (const auto& [heads, kv_heads] : some_of(kHeads, 2))
      for (const int64_t width : some_of(kWidths, 2)) {
        INFO(heads << " heads over " << kv_heads << ", width " << width << ", " << type);
        const auto random = [&](at::IntArrayRef sizes) { return at::randn(sizes).to(type); };
        const at::Tensor memory = random({2, 8, kv_heads, 300, width}),
                         k = random({7, kv_heads, width}), v = random({7, kv_heads, width}),
                         q = random({7, heads, width});
        const at::Tensor exact = wide(memory), there = memory.to(device);
        cache_append_naive(wide(k), wide(v), row, exact, lengths);
        const at::Tensor truth = cache_attention_naive(wide(q), row, exact, lengths, 0.2);
        const at::Tensor row_there = row.to(device), lengths_there = lengths.to(device);
        cache_append(k.to(device), v.to(device), row_there, there, lengths_there);
        CHECK(wide(there).equal(exact));
        const at::Tensor out = cache_attention(q.to(device), row_there, there, lengths_there, 0.2);
        CHECK(distance(out, truth) < bound(type));
        CHECK(cache_attention(q.to(device), row_there, there, lengths_there, 0.2)
                  .cpu()
                  .equal(out.cpu()));
      }
}

// Fused operations equal their naive truth, in value and in gradient.
#include <catch2/catch.hpp>

#include "models/kernels/rms_norm.h"
#include "models/kernels/rotate.h"
#include "models/kernels/subsample.h"
#include "models/kernels/swiglu.h"
#include "models/parts/lm_head.h"

using namespace sublab;

namespace {

using Inputs = std::vector<at::Tensor>;

double distance(const at::Tensor& a, const at::Tensor& b) {
  if (a.numel() == 0) return 0;
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>() /
         std::max(1.0, b.abs().max().item<double>());
}

/// Largest difference of values and gradients between the fp32 form and the naive form in fp64.
template <class Fused, class Naive>
double error(const Inputs& inputs, const Fused& fused, const Naive& naive) {
  Inputs a, b;
  for (const at::Tensor& input : inputs) {
    a.push_back(input.clone().requires_grad_());
    b.push_back(input.to(at::kDouble).requires_grad_());
  }
  const at::Tensor y = fused(a), truth = naive(b);
  const at::Tensor weights = at::randn_like(y);
  (y * weights).sum().backward();
  (truth * weights.to(at::kDouble)).sum().backward();
  double largest = distance(y, truth);
  for (size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, distance(a[i].grad(), b[i].grad()));
  return largest;
}

}  // namespace

TEST_CASE("fused kernels equal their naive truth, gradients too", "[numerics]") {
  at::manual_seed(1);
  for (const int64_t n : {1, 3, 65, 200})
    for (const int64_t d : {2, 14, 50, 128}) {
      INFO(n << " x " << d);
      const at::Tensor x = at::randn({n, d}), w = at::randn({d}), y = 3 * at::randn({n, d});
      CHECK(error(
                {x, w}, [](Inputs& v) { return rms_norm(v[0], v[1], 1e-5); },
                [](Inputs& v) { return rms_norm_naive(v[0], v[1], 1e-5); }) < 2e-5);
      CHECK(error(
                {x, y}, [](Inputs& v) { return swiglu(v[0], v[1]); },
                [](Inputs& v) { return swiglu_naive(v[0], v[1]); }) < 2e-5);
      const at::Tensor cos = at::randn({n, d / 2}).cos(), sin = at::randn({n, d / 2}).sin();
      CHECK(error(
                {at::randn({n, 3, d})}, [&](Inputs& v) { return rotate(v[0], cos, sin); },
                [&](Inputs& v) {
                  return rotate_naive(v[0], cos.to(at::kDouble), sin.to(at::kDouble));
                }) < 2e-5);
      for (const int64_t stride : {1, 2, 300}) {
        const at::Tensor index = at::arange(0, n, stride, at::kLong);
        const int64_t m = index.numel();
        CHECK(error(
                  {x}, [&](Inputs& v) { return gather_rows(v[0], index); },
                  [&](Inputs& v) { return v[0].index_select(0, index); }) < 1e-6);
        CHECK(error(
                  {x, at::randn({m, d}), at::rand({m}), w},
                  [&](Inputs& v) { return bypass_return(v[0], v[1], index, v[2], v[3]); },
                  [&](Inputs& v) { return bypass_return_naive(v[0], v[1], index, v[2], v[3]); }) <
              2e-5);
      }
    }
}

TEST_CASE("the chunked loss equals the whole one, gradients and ignored labels too", "[numerics]") {
  at::manual_seed(2);
  for (const auto& [n, d, v] : std::vector<std::tuple<int64_t, int64_t, int64_t>>{
           {1, 4, 5}, {77, 32, 301}, {5000, 8, 17}}) {
    const at::Tensor labels = at::randint(-1, v, {n}, at::kLong);
    labels[0] = v - 1;
    const at::Tensor hidden = at::randn({n, d}), head = at::randn({v, d});
    CHECK(error(
              {hidden, head}, [&](Inputs& x) { return lm_loss(x[0], x[1], labels, 7.0); },
              [&](Inputs& x) { return lm_loss_naive(x[0], x[1], labels, 7.0); }) < 2e-5);
    CHECK(error(
              {hidden.to(at::kDouble), head.to(at::kDouble)},
              [&](Inputs& x) { return lm_loss(x[0], x[1], labels, 7.0); },
              [&](Inputs& x) { return lm_loss_naive(x[0], x[1], labels, 7.0); }) < 1e-12);
    CHECK(distance(token_losses(hidden, head, labels).sum() / 7,
                   lm_loss_naive(hidden, head, labels, 7)) < 1e-5);
    const at::Tensor p = at::mm(hidden.to(at::kDouble), head.to(at::kDouble).t()).softmax(1);
    CHECK(distance(token_entropies(hidden, head), at::special_entr(p).sum(1)) < 1e-5);
  }
}

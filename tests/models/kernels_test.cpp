// Fused operations equal their naive truth, in value and in gradient.
#include <catch2/catch.hpp>

#include "models/kernels/device.h"
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
  const at::Tensor truth = b.to(at::kCPU, at::kDouble);
  return (a.to(at::kCPU, at::kDouble) - truth).abs().max().item<double>() /
         std::max(1.0, truth.abs().max().item<double>());
}

/// Largest difference of values and gradients between the fused form of `where`'s type and device
/// and the naive form in fp64, from the same numbers.
template <class Fused, class Naive>
double error(const Inputs& inputs, const Fused& fused, const Naive& naive,
             const at::TensorOptions& where = at::kFloat) {
  Inputs a, b;
  for (const at::Tensor& input : inputs) {
    a.push_back(input.to(where, /*non_blocking=*/false, /*copy=*/true).requires_grad_());
    b.push_back(a.back().detach().to(at::kCPU, at::kDouble).requires_grad_());
  }
  const at::Tensor y = fused(a), truth = naive(b);
  CHECK(y.scalar_type() == a[0].scalar_type());
  const at::Tensor weights = at::randn(y.sizes()).to(y.options());
  (y * weights).sum().backward();
  (truth * weights.to(at::kCPU, at::kDouble)).sum().backward();
  double largest = distance(y, truth);
  for (size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, distance(a[i].grad(), b[i].grad()));
  return largest;
}

at::Tensor both(const std::pair<at::Tensor, at::Tensor>& outputs) {
  return at::cat({outputs.first, outputs.second});
}

void check_subsampling(int64_t n, int64_t d, const at::TensorOptions& where, double tolerance) {
  for (const int64_t stride : {1, 2, 300}) {
    const at::Tensor index = at::arange(0, n, stride, at::kLong), there = index.to(where.device());
    const int64_t m = index.numel();
    CHECK(error(
              {at::randn({n, d})}, [&](Inputs& v) { return gather_rows(v[0], there); },
              [&](Inputs& v) { return v[0].index_select(0, index); }, where) < 1e-6);
    CHECK(error(
              {at::randn({n, d}), at::randn({m, d}), at::rand({m}), at::randn({d})},
              [&](Inputs& v) { return bypass_return(v[0], v[1], there, v[2], v[3]); },
              [&](Inputs& v) { return bypass_return_naive(v[0], v[1], index, v[2], v[3]); },
              where) < tolerance);
  }
}

void check_kernels(int64_t n, int64_t d, const at::TensorOptions& where, double tolerance) {
  INFO(n << " x " << d << " " << where);
  const at::Tensor x = at::randn({n, d}), w = at::randn({d}), y = 3 * at::randn({n, d});
  CHECK(error(
            {x, w}, [](Inputs& v) { return rms_norm(v[0], v[1], 1e-5); },
            [](Inputs& v) { return rms_norm_naive(v[0], v[1], 1e-5); }, where) < tolerance);
  CHECK(error(
            {x, y, w}, [](Inputs& v) { return both(add_rms_norm(v[0], v[1], v[2], 1e-5)); },
            [](Inputs& v) { return both(add_rms_norm_naive(v[0], v[1], v[2], 1e-5)); },
            where) < tolerance);
  CHECK(error(
            {x, y}, [](Inputs& v) { return swiglu(v[0], v[1]); },
            [](Inputs& v) { return swiglu_naive(v[0], v[1]); }, where) < tolerance);
  const at::Tensor angle = at::randn({n, d / 2});
  const at::Tensor cos = angle.cos().to(where), sin = angle.sin().to(where);
  CHECK(error(
            {at::randn({n, 3, d})}, [&](Inputs& v) { return rotate(v[0], cos, sin); },
            [&](Inputs& v) {
              return rotate_naive(v[0], cos.to(at::kCPU, at::kDouble),
                                  sin.to(at::kCPU, at::kDouble));
            },
            where) < tolerance);
  check_subsampling(n, d, where, tolerance);
}

void check_loss(int64_t n, int64_t d, int64_t v, const at::TensorOptions& where, double tolerance) {
  INFO(n << " x " << d << ", " << v << " " << where);
  const at::Tensor labels = at::randint(-1, v, {n}, at::kLong);
  labels[0] = v - 1;
  const at::Tensor there = labels.to(where.device());
  CHECK(error(
            {at::randn({n, d}), at::randn({v, d})},
            [&](Inputs& x) { return lm_loss(x[0], x[1], there, 7.0); },
            [&](Inputs& x) { return lm_loss_naive(x[0], x[1], labels, 7.0); }, where) < tolerance);
}

}  // namespace

TEST_CASE("fused kernels equal their naive truth, gradients too", "[numerics]") {
  at::manual_seed(1);
  for (const int64_t n : {1, 3, 65, 200})
    for (const int64_t d : {2, 14, 50, 128}) check_kernels(n, d, at::kFloat, 2e-5);
}

TEST_CASE("the chunked loss equals the whole one, gradients and ignored labels too", "[numerics]") {
  at::manual_seed(2);
  for (const auto& [n, d, v] : std::vector<std::tuple<int64_t, int64_t, int64_t>>{
           {1, 4, 5}, {77, 32, 301}, {5000, 8, 17}}) {
    check_loss(n, d, v, at::kFloat, 2e-5);
    check_loss(n, d, v, at::kDouble, 1e-12);
    const at::Tensor labels = at::randint(-1, v, {n}, at::kLong);
    const at::Tensor hidden = at::randn({n, d}), head = at::randn({v, d});
    CHECK(distance(token_losses(hidden, head, labels).sum() / 7,
                   lm_loss_naive(hidden, head, labels, 7)) < 1e-5);
    const at::Tensor p = at::mm(hidden.to(at::kDouble), head.to(at::kDouble).t()).softmax(1);
    CHECK(distance(token_entropies(hidden, head), at::special_entr(p).sum(1)) < 1e-5);
  }
}

TEST_CASE("the sum that add_rms_norm returns may go unused, and so may its norm", "[numerics]") {
  const at::Tensor w = at::randn({6});
  for (const bool norm : {false, true}) {
    const auto part = [norm](const std::pair<at::Tensor, at::Tensor>& out) {
      return norm ? out.second : out.first;
    };
    CHECK(error(
              {at::randn({5, 6}), at::randn({5, 6}), w},
              [&](Inputs& v) { return part(add_rms_norm(v[0], v[1], v[2], 1e-5)) + 0 * v[2]; },
              [&](Inputs& v) {
                return part(add_rms_norm_naive(v[0], v[1], v[2], 1e-5)) + 0 * v[2];
              }) < 2e-5);
  }
}

TEST_CASE("the CUDA forms equal the naive truth, gradients too", "[numerics]") {
  if (!kCudaKernels || !at::hasCUDA()) {
    WARN("not compared: no CUDA device, or a build without SUBLAB_CUDA");
    return;
  }
  at::manual_seed(3);
  for (const auto& [type, tolerance] :
       std::vector<std::pair<at::ScalarType, double>>{{at::kFloat, 5e-5}, {at::kBFloat16, 3e-2}}) {
    const at::TensorOptions where = at::device(at::kCUDA).dtype(type);
    for (const int64_t n : {1, 3, 65, 5000})
      for (const int64_t d : {2, 14, 50, 128, 1030}) check_kernels(n, d, where, tolerance);
    check_kernels(7, 20002, where, tolerance);  // more columns than shared memory gives unasked
    check_loss(1, 4, 5, where, tolerance);
    check_loss(77, 32, 301, where, tolerance);
    check_loss(700, 16, 5003, where, tolerance);
  }
}

// The bodies that the CPU and the CUDA kernels share, called in bf16 and as a block of threads
// calls them. What is left to a device are the launches and the barriers.
#include <catch2/catch.hpp>
#include <limits>

#include "models/kernels/lanes.h"
#include "models/kernels/rms_norm.h"
#include "models/kernels/rms_norm_body.h"
#include "models/kernels/rotate.h"
#include "models/kernels/rotate_body.h"
#include "models/kernels/softmax_gradient.h"
#include "models/kernels/softmax_gradient_body.h"
#include "models/kernels/subsample.h"
#include "models/kernels/subsample_body.h"
#include "models/kernels/swiglu.h"
#include "models/kernels/swiglu_body.h"
#include "tests/models/tile_threads.h"

using namespace sublab;

namespace {

using Threads = BlockThreads<64>;

constexpr int64_t kOne = 1;

template <class T>
constexpr at::ScalarType kType = sizeof(T) == sizeof(float) ? at::kFloat : at::kBFloat16;
template <class T>
constexpr double kTolerance = sizeof(T) == sizeof(float) ? 2e-5 : 2e-2;

/// Normal numbers in T and, as an fp64 leaf, the same numbers for the naive form.
template <class T>
struct Number {
  T* data() const { return static_cast<T*>(narrow.data_ptr()); }
  template <class... Sizes>
  explicit Number(Sizes... sizes)
      : narrow((2 * at::randn({sizes...})).to(kType<T>)), wide(narrow.to(at::kDouble)) {
    wide.requires_grad_();
  }
  at::Tensor narrow, wide;
};

void check_near(const at::Tensor& fused, const at::Tensor& truth, double tolerance) {
  const double scale = std::max(1.0, truth.abs().max().item<double>());
  CHECK((fused.to(at::kDouble) - truth).abs().max().item<double>() < tolerance * scale);
}

template <int N, class T, class Team>
void check_norm(const Team& team, int64_t d) {
  const Number<T> x(d), r(d), w(d), s(d), y(d), grad_s(d), grad_y(d), grad_x(d);
  const auto [sum, norm] = add_rms_norm_naive(x.wide, r.wide, w.wide, 1e-5);
  (sum * grad_s.wide.detach() + norm * grad_y.wide.detach()).sum().backward();
  at::Tensor grad_w = at::zeros({d});
  float scale = 0;
  rms_norm_kernel::add_forward_row<N>(team, x.data(), r.data(), w.data(), s.data(), y.data(),
                                      &scale, d, 1e-5f);
  rms_norm_kernel::backward_row<true, N>(team, s.data(), w.data(), scale, grad_y.data(),
                                         grad_s.data(), grad_x.data(), grad_w.data_ptr<float>(), d);
  check_near(s.narrow, sum, kTolerance<T>);
  check_near(y.narrow, norm, kTolerance<T>);
  check_near(grad_x.narrow, x.wide.grad(), kTolerance<T>);
  check_near(grad_w, w.wide.grad(), kTolerance<T>);
}

template <int N, class T, class Team>
void check_return(const Team& team, int64_t d) {
  const Number<T> x(kOne, d), y(kOne, d), weight(kOne), c(d), grad(kOne, d), grad_y(kOne, d);
  const Number<T> out(kOne, d), grad_x(kOne, d);
  out.narrow.copy_(x.narrow);
  grad_x.narrow.copy_(grad.narrow);
  const at::Tensor truth =
      bypass_return_naive(x.wide, y.wide, at::zeros({1}, at::kLong), weight.wide, c.wide);
  (truth * grad.wide.detach()).sum().backward();
  const float w = load(*weight.data());
  at::Tensor grad_c = at::zeros({d});
  subsample_kernel::add_row<N>(team, out.data(), x.data(), y.data(), w, c.data(), d);
  const float grad_w = subsample_kernel::add_row_backward<N>(
      team, grad.data(), x.data(), y.data(), w, c.data(), grad_x.data(), grad_y.data(),
      grad_c.data_ptr<float>(), d);
  check_near(out.narrow, truth, kTolerance<T>);
  check_near(grad_x.narrow, x.wide.grad(), kTolerance<T>);
  check_near(grad_y.narrow, y.wide.grad(), kTolerance<T>);
  check_near(grad_c, c.wide.grad(), kTolerance<T>);
  check_near(at::scalar_tensor(grad_w), weight.wide.grad()[0], kTolerance<T>);
}

template <int N, class T, class Team>
void check_softmax(const Team& team, int64_t v) {
  for (const int64_t label : {int64_t{-1}, int64_t{0}, v - 1}) {
    const Number<T> logits(kOne, v);
    if (label >= 0) logits.narrow[0][label] += 8;
    at::Tensor gradient = logits.narrow.to(at::kDouble);
    const at::Tensor loss = softmax_gradient_naive(gradient, at::full({1}, label, at::kLong), 4);
    const float got = softmax_kernel::gradient_row<N>(team, logits.data(), v, label, 0.25f);
    check_near(at::scalar_tensor(got), loss, 1e-5);
    check_near(logits.narrow[0], gradient[0], kTolerance<T>);
    // A likely label has a small gradient, which rounding p before 1 is taken off would spoil.
    if (label >= 0)
      CHECK(load(logits.data()[label]) ==
            Approx(gradient[0][label].item<double>()).epsilon(kTolerance<T>).margin(1e-7));
  }
}

/// Rows of d numbers, which a member takes N at a time.
template <int N, class T, class Team>
void check_rows(const Team& team, int64_t d) {
  check_norm<N, T>(team, d);
  check_return<N, T>(team, d);
  check_softmax<N, T>(team, d);
}

template <class T>
void check_elements(int64_t n) {
  const Number<T> gate(n), up(n), y(n), grad(n), grad_gate(n), grad_up(n);
  const at::Tensor truth = swiglu_naive(gate.wide, up.wide);
  (truth * grad.wide.detach()).sum().backward();
  for (int64_t i = 0; i < n; ++i) {
    swiglu_kernel::forward_element(gate.data()[i], up.data()[i], y.data()[i]);
    swiglu_kernel::backward_element(gate.data()[i], up.data()[i], grad.data()[i],
                                    grad_gate.data()[i], grad_up.data()[i]);
  }
  check_near(y.narrow, truth, kTolerance<T>);
  check_near(grad_gate.narrow, gate.wide.grad(), kTolerance<T>);
  check_near(grad_up.narrow, up.wide.grad(), kTolerance<T>);
  const Number<T> x(kOne, kOne, 2 * n), cos(kOne, n), sin(kOne, n), turned(2 * n);
  for (int64_t i = 0; i < n; ++i)
    rotate_kernel::rotate_pair(x.data(), cos.data(), sin.data(), turned.data(), i, n, 1.0f);
  check_near(turned.narrow, rotate_naive(x.wide, cos.wide, sin.wide).flatten(), kTolerance<T>);
}

}  // namespace

TEST_CASE("bodies of kernels hold in both types, for a CPU thread and a block", "[numerics]") {
  at::manual_seed(4);
  for (const int64_t d : {1, 3, 50, 64, 301, 1032}) {
    INFO(d);
    check_rows<1, float>(Lanes{}, d);
    check_rows<1, float>(Threads{}, d);
    check_rows<1, Bfloat16>(Threads{}, d);
    if (d % 8 == 0) check_rows<4, float>(Threads{}, d);
    if (d % 8 == 0) check_rows<8, Bfloat16>(Threads{}, d);
    check_elements<float>(d);
    check_elements<Bfloat16>(d);
  }
}

TEST_CASE("bf16 rounds as torch rounds", "[unit]") {
  const float infinity = std::numeric_limits<float>::infinity();
  // 1 + 2^-8 and 1 + 3 * 2^-8 lie halfway between two bf16 numbers.
  at::Tensor x = at::tensor(
      {0.0f, -0.0f, 1.00390625f, 1.01171875f, 3.4e38f, 1e-40f, infinity, -infinity, std::nanf("")});
  x = at::cat({x, 100 * at::randn({1000})});
  const at::Tensor truth = x.to(at::kBFloat16).to(at::kFloat);
  at::Tensor ours = at::empty_like(x);
  for (int64_t i = 0; i < x.numel(); ++i)
    ours.data_ptr<float>()[i] = rounded<Bfloat16>(x.data_ptr<float>()[i]);
  CHECK(at::isnan(ours).equal(at::isnan(truth)));
  CHECK(ours.nan_to_num().equal(truth.nan_to_num()));
}

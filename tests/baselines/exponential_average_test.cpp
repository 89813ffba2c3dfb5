// The moving averages and the timestep norm of MEGA and MEGALODON against their definitions.
#include "baselines/architectures/exponential_average.h"

#include <torch/csrc/autograd/autograd.h>

#include <catch2/catch.hpp>

#include "baselines/architectures/chunk_attention.h"
#include "baselines/architectures/timestep_norm.h"
#include "tests/baselines/megalodon_naive.h"
#include "tests/models/small_models.h"

using namespace sublab;

namespace {

constexpr int64_t kChannels = 5, kStates = 3;

AverageTerms random_terms(bool is_complex, double alpha_shift = 0) {
  const auto wide = at::TensorOptions(at::kDouble);
  const auto random = [&] { return at::randn({kChannels, kStates}, wide); };
  const at::Tensor alpha = (random() * 0.2 + alpha_shift).sigmoid(), delta = random().sigmoid();
  AverageTerms out{.log_decay = (-alpha * delta).log1p(),
                   .angle = is_complex ? random().sigmoid() * 6 : at::Tensor(),
                   .input = random().sigmoid(),
                   .gain = random()};
  if (is_complex) out.imaginary_gain = random();
  return out;
}

at::Tensor no_state(const AverageTerms& terms, int64_t rows) {
  return at::zeros({rows, kChannels, terms.state_numbers()}, at::kDouble);
}

}  // namespace

TEST_CASE("convolution, recurrence and a row split with its state give the same averages",
          "[numerics]") {
  at::manual_seed(1);
  for (const bool is_complex : {true, false})
    for (const int64_t length : {1, 2, 3, 7, 37, 64, 300}) {
      INFO(length << (is_complex ? " complex" : " real"));
      const AverageTerms terms = random_terms(is_complex);
      const at::Tensor x = at::randn({2, length, kChannels}, at::kDouble);
      at::Tensor state = no_state(terms, 2);
      const at::Tensor truth = exponential_average_naive(terms, x, state);
      CHECK(max_difference(exponential_average(terms, x), truth) < 1e-12);
      const at::Tensor narrow = exponential_average(terms, x.to(at::kFloat));
      CHECK(max_difference(narrow, truth) < 1e-4);
      for (const int64_t cut : {int64_t{0}, int64_t{1}, length / 3, length - 1, length}) {
        at::Tensor carried = no_state(terms, 2);
        std::vector<at::Tensor> parts;
        if (cut > 0) parts.push_back(exponential_average_step(terms, x.slice(1, 0, cut), carried));
        if (cut < length)
          parts.push_back(exponential_average_step(terms, x.slice(1, cut), carried));
        CHECK(max_difference(at::cat(parts, 1), truth) < 1e-12);
        CHECK(max_difference(carried, state) < 1e-12);
      }
    }
}

TEST_CASE("slow averages keep their phase over long rows in fp32", "[numerics]") {
  at::manual_seed(2);
  const AverageTerms terms = random_terms(true, -12);  // |q| near 1
  const at::Tensor x = at::randn({1, 1500, kChannels}, at::kDouble);
  at::Tensor state = no_state(terms, 1), narrow_state = state.to(at::kFloat);
  const at::Tensor truth = exponential_average_naive(terms, x, state);
  const double tolerance = 1e-5 * truth.abs().max().item<double>();
  CHECK(tolerance > 1e-4);  // a state that sums up what it sees
  CHECK(max_difference(exponential_average(terms, x.to(at::kFloat)), truth) < tolerance);
  CHECK(max_difference(exponential_average_step(terms, x.to(at::kFloat), narrow_state), truth) <
        tolerance);
}

TEST_CASE("gradients of averages are those of the recurrence", "[numerics]") {
  at::manual_seed(3);
  for (const bool is_complex : {true, false})
    for (const int64_t length : {1, 6, 37}) {
      AverageTerms terms = random_terms(is_complex);
      std::vector<at::Tensor> of = {terms.log_decay, terms.input, terms.gain};
      if (is_complex) of.push_back(terms.angle), of.push_back(terms.imaginary_gain);
      of.push_back(at::randn({2, length, kChannels}, at::kDouble));
      for (at::Tensor& each : of) each.requires_grad_();
      const at::Tensor weight = at::randn({2, length, kChannels}, at::kDouble);
      const auto gradients = [&](const at::Tensor& y) {
        for (const at::Tensor& each : of) each.mutable_grad() = at::zeros_like(each);
        (y * weight).sum().backward();
        std::vector<at::Tensor> out;
        for (const at::Tensor& each : of) out.push_back(each.grad().clone());
        return out;
      };
      at::Tensor state = no_state(terms, 2);
      const auto expected = gradients(exponential_average_naive(terms, of.back(), state));
      const auto got = gradients(exponential_average(terms, of.back()));
      for (size_t i = 0; i < of.size(); ++i) CHECK(max_difference(got[i], expected[i]) < 1e-10);
    }
}

TEST_CASE("without angles and with real gains the complex average is the real one, beta 1",
          "[numerics]") {
  at::manual_seed(4);
  const AverageTerms real = random_terms(false);
  AverageTerms terms = real;
  terms.angle = at::zeros_like(real.gain), terms.imaginary_gain = at::zeros_like(real.gain);
  const at::Tensor x = at::randn({2, 23, kChannels}, at::kDouble);
  CHECK(max_difference(exponential_average(terms, x), exponential_average(real, x)) < 1e-12);
  const at::Tensor damped =
      megalodon_naive::recurrence(real.log_decay.exp(), real.input, real.gain, x[1]);
  CHECK(max_difference(exponential_average(terms, x)[1], damped) < 1e-12);
}

TEST_CASE("the timestep norm is its definition, token by token and carried over", "[numerics]") {
  at::manual_seed(5);
  constexpr int64_t kRows = 3, kLength = 19, kGroups = 2, kWidth = 8;
  TimestepNorm norm("norm", kWidth, kGroups, 1e-5, 1);
  std::vector<Parameter> parameters;
  norm.add_parameters(parameters);
  for (Parameter& each : parameters) {
    each.tensor.set_data(at::randn({kWidth}, at::kDouble));
    each.tensor.requires_grad_();
  }
  const at::Tensor x = (at::randn({kRows, kLength, kWidth}, at::kDouble) * 3 + 2).requires_grad_();
  const at::Tensor none = at::zeros({kRows}, at::kDouble);
  const at::Tensor y = norm(x, none, nullptr);
  for (int64_t b = 0; b < kRows; ++b)
    CHECK(max_difference(
              y[b], megalodon_naive::timestep_norm(x[b], parameters[0].tensor, parameters[1].tensor,
                                                   kGroups, 1e-5)) < 1e-10);
  const at::Tensor weight = at::randn_like(y);
  const auto gradients = [&](const at::Tensor& out) {
    return torch::autograd::grad({(out * weight).sum()},
                                 {x, parameters[0].tensor, parameters[1].tensor});
  };
  const auto fast = gradients(y), truth = gradients(norm.naive(x, none, nullptr));
  for (size_t i = 0; i < fast.size(); ++i) CHECK(max_difference(fast[i], truth[i]) < 1e-10);
  for (const int64_t cut : {1, 7, 18}) {
    TimestepMoments moments = norm.no_moments(kRows, x.options());
    const at::Tensor a = norm(x.slice(1, 0, cut), none, &moments);
    const at::Tensor b = norm(x.slice(1, cut), none + cut, &moments);
    CHECK(max_difference(at::cat({a, b}, 1), y) < 1e-12);
  }
}

TEST_CASE("attention stays inside its chunk", "[numerics]") {
  at::manual_seed(6);
  const RowsPtr rows = Rows::contiguous({21, 3, 16});
  const at::Tensor q = at::randn({40, 2, 6}, at::kDouble), k = at::randn({40, 2, 6}, at::kDouble);
  const at::Tensor v = at::randn({40, 2, 5}, at::kDouble);
  const auto attended = [&](const at::Tensor& v, int64_t chunk) {
    return attend_in_chunks(q, k, v, ChunkPlan(*rows, chunk, q.options()), nullptr, nullptr);
  };
  for (const int64_t chunk : {1, 8, 21, 100}) {
    INFO(chunk);
    const at::Tensor got = attended(v, chunk);
    for (int64_t b = 0; b < rows->n_rows(); ++b)
      for (int64_t h = 0; h < 2; ++h) {
        const auto row = [&](const at::Tensor& x) {
          return x.select(1, h).slice(0, rows->begin(b), rows->begin(b) + rows->length(b));
        };
        CHECK(max_difference(row(got), megalodon_naive::in_chunks(at::matmul(row(q), row(k).t()),
                                                                  row(v), chunk)) < 1e-12);
      }
  }
  at::Tensor other = v.clone();
  other.slice(0, 0, 8).normal_();  // the first chunk of the first row
  const at::Tensor moved = attended(other, 8) - attended(v, 8);
  CHECK(moved.slice(0, 0, 8).abs().max().item<double>() > 0.1);
  CHECK(moved.slice(0, 8).abs().max().item<double>() == 0);
}

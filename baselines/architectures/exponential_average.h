// Exponential moving averages with several states per channel, real or complex: what MEGA and
// MEGALODON have in front of their attention.
//
//   h_{t,n} = q_n h_{t-1,n} + p_n x_t,   y_t = Re sum_n c_n h_{t,n},   n = 1 .. S,
//
// for each channel by itself. As a convolution: y = k * x with k_j = Re sum_n c_n p_n q_n^j. Where
// a row goes on from h: y_t += Re sum_n c_n q_n^{t+1} h_n, and L tokens later the state is
// q_n^L h_n + p_n sum_j q_n^{L-1-j} x_j.
#pragma once

#include <ATen/ATen.h>

#include <string>

#include "models/ledger.h"

namespace sublab {

/// The numbers of the recurrence, each [D, S] in fp64: powers are exp(j log q), whose phase j arg q
/// must be exact to many digits where |q| is near 1.
struct AverageTerms {
  at::Tensor log_decay;               ///< log |q|, below 0
  at::Tensor angle;                   ///< arg q; undefined: q and c are real
  at::Tensor input;                   ///< p
  at::Tensor gain, imaginary_gain{};  ///< c

  int64_t width() const { return input.size(0); }
  int64_t n_states() const { return input.size(1); }
  bool is_complex() const { return angle.defined(); }
  /// Numbers of a state per channel: real parts, and imaginary parts behind them.
  int64_t state_numbers() const { return n_states() * (is_complex() ? 2 : 1); }
};

/// The recurrence, token by token: x [R, T, D] -> y [R, T, D]. `state` [R, D, state_numbers()]
/// is where the rows stand, and goes on.
at::Tensor exponential_average_naive(const AverageTerms& terms, const at::Tensor& x,
                                     at::Tensor& state);

/// Whole rows from their beginning, by FFT over at least 2T points: x [R, T, D] -> [R, T, D].
at::Tensor exponential_average(const AverageTerms& terms, const at::Tensor& x);

/// New tokens of rows that stand at `state`, which goes on: one by the recurrence, more by
/// convolutions over pieces with their carry in and out.
at::Tensor exponential_average_step(const AverageTerms& terms, const at::Tensor& x,
                                    at::Tensor& state);

/// k [D, length], fp64.
at::Tensor exponential_average_kernel(const AverageTerms& terms, int64_t length);

/// y_t = sum_{j <= t} kernel_j x_{t-j}: x [R, T, D], kernel [D, T] of x's dtype -> [R, T, D].
at::Tensor causal_convolution(const at::Tensor& x, const at::Tensor& kernel);

/// What it costs: transforms at 2.5 n log2 n each, and the product that kernels are made by, once
/// per length of a row. Tokens that go on from a state are costed as recurrences, which are no
/// matrix products: none where causal kernels are counted; as pieces where squares are.
struct AverageCost {
  int64_t width, n_states;
  bool is_complex;

  LedgerLine line(const std::string& part, int64_t layer, const CostShape& shape) const;
};

}  // namespace sublab

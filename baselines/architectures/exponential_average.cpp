// The recurrence, its kernel by two levels of powers, convolution by FFT with a gradient of its
// own, and pieces that carry a state.
#include "baselines/architectures/exponential_average.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

namespace sublab {
namespace exponential_average_detail {

/// Tokens of a piece of a step; its powers are [D, S, kPiece].
constexpr int64_t kPiece = 256;

/// 2^a or 3 2^a, at least 2 `length`: a shorter circle would let the row's end reach its beginning.
int64_t fft_points(int64_t length) {
  int64_t points = 2;
  while (points < 2 * length) points *= 2;
  return points >= 8 && points / 4 * 3 >= 2 * length ? points / 4 * 3 : points;
}

struct Complex {
  at::Tensor re, im;  // im undefined: real
};

Complex times(const Complex& a, const Complex& b) {
  if (!a.im.defined()) return {a.re * b.re, {}};
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

/// q^j for j = first, first + step, ...: [D, S, count].
Complex powers(const AverageTerms& terms, int64_t first, int64_t step, int64_t count) {
  const at::Tensor j = at::arange(count, terms.log_decay.options()) * step + first;
  const at::Tensor size = (terms.log_decay.unsqueeze(-1) * j).exp();
  if (!terms.is_complex()) return {size, {}};
  const at::Tensor phase = terms.angle.unsqueeze(-1) * j;
  return {size * phase.cos(), size * phase.sin()};
}

Complex of_states(const at::Tensor& re, const at::Tensor& im) {
  return {re.unsqueeze(-1), im.defined() ? im.unsqueeze(-1) : im};
}

Complex gains(const AverageTerms& terms) { return of_states(terms.gain, terms.imaginary_gain); }

/// [D, S, J] -> [D, state numbers, J] such that its product with a state's numbers is the real part
/// of the sum over states.
at::Tensor to_read(const Complex& x) { return x.im.defined() ? at::cat({x.re, -x.im}, 1) : x.re; }
/// The same numbers as a state holds them.
at::Tensor to_hold(const Complex& x) { return x.im.defined() ? at::cat({x.re, x.im}, 1) : x.re; }

/// Inner powers of the two levels of a kernel: a power of two near the root of its length.
int64_t inner_powers(int64_t length) {
  int64_t inner = 1;
  while (inner * inner < length) inner *= 2;
  return inner;
}

class Convolution : public torch::autograd::Function<Convolution> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& kernel) {
    const int64_t n = fft_points(x.size(1));
    const at::Tensor of_x = at::fft_rfft(x.transpose(1, 2), n);  // [R, D, n/2 + 1]
    const at::Tensor of_kernel = at::fft_rfft(kernel, n);
    context->save_for_backward({of_x, of_kernel});
    return back(of_x * of_kernel, n, x.size(1));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const int64_t length = grads[0].size(1), n = fft_points(length);
    const at::Tensor of_grad = at::fft_rfft(grads[0].transpose(1, 2), n);
    const at::Tensor grad_kernel =
        at::fft_irfft((of_grad * saved[0].conj_physical()).sum(0), n).slice(1, 0, length);
    return {back(of_grad * saved[1].conj_physical(), n, length), grad_kernel};
  }

 private:
  static at::Tensor back(const at::Tensor& spectrum, int64_t n, int64_t length) {
    return at::fft_irfft(spectrum, n).slice(2, 0, length).transpose(1, 2).contiguous();
  }
};

/// One token: x [R, D].
at::Tensor advance(const AverageTerms& terms, const at::Tensor& x, at::Tensor& state) {
  const auto like = [&](const at::Tensor& of) { return of.to(state.scalar_type()); };
  const Complex q = powers(terms, 1, 1, 1);
  const at::Tensor fresh = like(terms.input) * x.unsqueeze(-1);  // [R, D, S]
  if (!terms.is_complex()) {
    state = like(q.re.squeeze(-1)) * state + fresh;
    return (state * like(terms.gain)).sum(-1);
  }
  const int64_t s = terms.n_states();
  const Complex h = times({like(q.re.squeeze(-1)), like(q.im.squeeze(-1))},
                          {state.slice(-1, 0, s), state.slice(-1, s)});
  const at::Tensor re = h.re + fresh;
  state = at::cat({re, h.im}, -1);
  return (re * like(terms.gain) - h.im * like(terms.imaginary_gain)).sum(-1);
}

/// What a piece of `length` tokens is passed by.
struct Piece {
  Piece(const AverageTerms& terms, int64_t length, at::ScalarType dtype)
      : kernel(exponential_average_kernel(terms, length).to(dtype)),
        carried_in(to_read(times(gains(terms), powers(terms, 1, 1, length))).to(dtype)),
        carried_out(to_hold(times(of_states(terms.input, zeros_like_imaginary(terms)),
                                  powers(terms, length - 1, -1, length)))
                        .transpose(1, 2)
                        .to(dtype)) {
    const Complex whole = powers(terms, length, 1, 1);
    past = {whole.re.squeeze(-1).to(dtype),
            terms.is_complex() ? whole.im.squeeze(-1).to(dtype) : at::Tensor()};
  }
  static at::Tensor zeros_like_imaginary(const AverageTerms& terms) {
    return terms.is_complex() ? at::zeros_like(terms.input) : at::Tensor();
  }

  /// x [R, length, D].
  at::Tensor pass(const at::Tensor& x, at::Tensor& state) const {
    const at::Tensor by_channel = state.transpose(0, 1);  // [D, R, numbers]
    const at::Tensor of_past = at::bmm(by_channel, carried_in).permute({1, 2, 0});
    const at::Tensor fresh = at::bmm(x.permute({2, 0, 1}), carried_out).transpose(0, 1);
    at::Tensor kept;
    if (past.im.defined()) {
      const int64_t s = past.re.size(1);
      kept = to_hold_last(times(past, {state.slice(-1, 0, s), state.slice(-1, s)}));
    } else {
      kept = past.re * state;
    }
    state = kept + fresh;
    return causal_convolution(x, kernel) + of_past;
  }
  static at::Tensor to_hold_last(const Complex& x) { return at::cat({x.re, x.im}, -1); }

  at::Tensor kernel, carried_in, carried_out;  // [D, L], [D, numbers, L], [D, L, numbers]
  Complex past;                                // q^L, [D, S]
};

}  // namespace exponential_average_detail

at::Tensor exponential_average_naive(const AverageTerms& terms, const at::Tensor& x,
                                     at::Tensor& state) {
  std::vector<at::Tensor> out;
  for (const at::Tensor& token : x.unbind(1))
    out.push_back(exponential_average_detail::advance(terms, token, state));
  return at::stack(out, 1);
}

at::Tensor exponential_average_kernel(const AverageTerms& terms, int64_t length) {
  using namespace exponential_average_detail;
  const int64_t inner = inner_powers(length), outer = (length + inner - 1) / inner;
  const Complex weight =
      times(gains(terms), of_states(terms.input, Piece::zeros_like_imaginary(terms)));
  const at::Tensor high = to_read(times(weight, powers(terms, 0, inner, outer)));
  const at::Tensor low = to_hold(powers(terms, 0, 1, inner));
  return at::bmm(high.transpose(1, 2), low).flatten(1, 2).slice(1, 0, length);
}

at::Tensor causal_convolution(const at::Tensor& x, const at::Tensor& kernel) {
  return exponential_average_detail::Convolution::apply(x, kernel);
}

at::Tensor exponential_average(const AverageTerms& terms, const at::Tensor& x) {
  return causal_convolution(x, exponential_average_kernel(terms, x.size(1)).to(x.scalar_type()));
}

at::Tensor exponential_average_step(const AverageTerms& terms, const at::Tensor& x,
                                    at::Tensor& state) {
  using namespace exponential_average_detail;
  const int64_t length = x.size(1);
  if (length == 1) return advance(terms, x.select(1, 0), state).unsqueeze(1);
  std::vector<at::Tensor> out;
  std::map<int64_t, Piece> pieces;
  for (int64_t begin = 0; begin < length; begin += kPiece) {
    const int64_t n = std::min(kPiece, length - begin);
    const auto piece = pieces.try_emplace(n, terms, n, x.scalar_type()).first;
    out.push_back(piece->second.pass(x.slice(1, begin, begin + n), state));
  }
  return at::cat(out, 1);
}

LedgerLine AverageCost::line(const std::string& part, int64_t layer, const CostShape& shape) const {
  using namespace exponential_average_detail;
  const auto d = static_cast<double>(width);
  const double numbers = static_cast<double>(n_states) * (is_complex ? 2 : 1);
  const auto transform = [&](int64_t t) {
    const auto points = static_cast<double>(fft_points(t));
    return d * 2.5 * points * std::log2(points);
  };
  const auto of_kernel = [&](int64_t t) {
    const int64_t inner = inner_powers(t), made = (t + inner - 1) / inner * inner;
    return 2 * d * numbers * static_cast<double>(made) + transform(t);
  };
  LedgerLine out{.part = part, .layer = layer};
  std::map<int64_t, bool> kernels;
  for (size_t b = 0; b < shape.new_tokens.size(); ++b) {
    const int64_t t = shape.new_tokens[b];
    const bool goes_on = !shape.past_tokens.empty() && shape.past_tokens[b] > 0;
    const auto tokens = static_cast<double>(t);
    out.tokens += tokens;
    out.cache_bytes += d * numbers * shape.bytes_per_number;
    out.activation_bytes += 2 * d * static_cast<double>(fft_points(t)) * shape.bytes_per_number;
    if (t <= 1) continue;
    const double pass = 2 * transform(t);
    const double made = kernels.emplace(t, true).second ? of_kernel(t) : 0;
    out.flops_square += pass + made + (goes_on ? 4 * d * numbers * tokens : 0);
    if (!goes_on) out.flops_causal += pass + made;
  }
  out.bytes = (d * numbers * (1.5 + 2.0 * static_cast<double>(shape.new_tokens.size()))) *
              shape.bytes_per_number;
  return out;
}

}  // namespace sublab

// What acts on the gradient of scores only while a router trains. Forward it is the identity.
// Source: Zipformer (arXiv:2310.11230) and the released code of SUBLLM.
#pragma once

#include <ATen/ATen.h>

namespace sublab {

/// Keeps the scores of a site in a range where selection can learn: the share of positive scores
/// near the retention d, and a mean absolute value of 1 to 4.
struct Balancer {
  double retention;
  double strength = 0.04;  ///< change of the gradient relative to its own size
  double min_abs = 1, max_abs = 4;

  /// Limits of mean/std: 0.81395 * atanh(2p - 1) for p = d -+ 0.05, and of the rms: 1.25331 * [1,
  /// 4]. Backward, with mu, sigma and r the mean, deviation and rms of the N scores, m = mu /
  /// sigma:
  ///   loss = |m - clamp(m)| + |log(clamp(r) / r)|,  g = d loss / d x,
  ///   G <- G + |G| * g * strength / rms(g).
  at::Tensor operator()(const at::Tensor& scores) const;
  /// The backward rule itself, for tests: scores [N] and their gradient -> the changed gradient.
  at::Tensor balance(const at::Tensor& scores, const at::Tensor& grad) const;
  /// The loss above as one of its own, a differentiable scalar: it acts on every score, also where
  /// no other gradient arrives.
  at::Tensor loss(const at::Tensor& scores) const;
};

}  // namespace sublab

// What a long context costs, and what a claim about it would mean.
//
// Reading a prompt of n tokens takes a n + b n^2, a step at depth n takes c + d n: every layer
// reads each token once and each pair of tokens once. Costs that were measured at two contexts or
// more are carried on to contexts that were not.
#pragma once

#include <optional>
#include <vector>

namespace sublab {

/// One measured cost.
struct ContextPoint {
  double context = 0, cost = 0;
};

/// cost(n) = low n + high n^2 for prompts, low + high n for steps.
struct ContextModel {
  double low = 0, high = 0;
  bool step = false;
  double at(double context) const;
};

/// Least squares, relative to the costs; exact through two points. Nothing with fewer than two
/// contexts. A negative part is set to 0 and the other fitted alone: noise must not make a prompt
/// cheaper for being longer.
std::optional<ContextModel> fit_context_model(const std::vector<ContextPoint>& points, bool step);

/// The three ways to read "200k costs 28 times 20k and 112 times 2k" (a talk on SUBLLM, without a
/// source):

/// 1. FLOPs of a prompt, n + n^2 / X. `x` = N / (L d) tokens (parameters without embedding, layers,
/// width), with attention counted causally. Returns cost(n) / cost(m).
double prompt_flops_ratio(double n, double m, double x);

/// 2. A fixed part F (in tokens of prompt) besides: F + n + n^2 / X.
struct FixedPart {
  double fixed_tokens = 0, x = 0;
};
/// The one pair that gives cost(n2)/cost(n1) = r21 and cost(n2)/cost(n0) = r20; nothing when F or X
/// would not be positive.
std::optional<FixedPart> solve_fixed_part(double n0, double n1, double n2, double r21, double r20);

/// 3. Time of a request, prompt(n) + m step(n): the m that gives the ratio `r21`, and the ratio of
/// n2 to n0 that follows.
struct RequestLength {
  double answer_tokens = 0, ratio20 = 0;
};
std::optional<RequestLength> solve_request(const ContextModel& prompt, const ContextModel& step,
                                           double n0, double n1, double n2, double r21);

}  // namespace sublab

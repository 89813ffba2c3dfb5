// Suffixes replaced, gradients, prefixes, steps and neighbours: one question each.
#include "experiments/audit/audit_checks.h"

#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <cstdio>

#include "experiments/text/token_hints.h"

namespace sublab {
namespace audit_checks {

/// Adds up all scores that a run hands out, differentiably.
class ScoreSum : public Observer {
 public:
  void selected(int64_t, const at::Tensor& scores, const Rows&, const at::Tensor&,
                const at::Tensor&) override {
    if (scores.requires_grad()) sum = sum.defined() ? sum + scores.sum() : scores.sum();
  }
  at::Tensor sum;  // undefined when no score depends on the embeddings
};

/// How much larger than embeddings an extreme suffix is. Not more: a mixer that works by FFT rounds
/// relative to the largest number of the row.
constexpr double kExtreme = 100;

}  // namespace audit_checks

Auditor::Auditor(LanguageModel& model, const AuditSettings& settings, std::string weights,
                 std::function<bool(int64_t ordinal)> exact_cut)
    : model_(model),
      settings_(settings),
      weights_(std::move(weights)),
      exact_cut_(std::move(exact_cut)),
      random_(settings.seed, "audit") {}

std::vector<AuditCheck> Auditor::run() {
  return {suffix_replacement(false), suffix_replacement(true), gradient_reach(), prefix(),
          row_independence(),        stepwise(false),          stepwise(true)};
}

AuditCheck Auditor::check(const std::string& name, bool forced) const {
  AuditCheck out;
  out.name = name + (forced ? ", decisions forced" : "");
  out.weights = weights_;
  return out;
}

int64_t Auditor::random_below(int64_t n) {
  return static_cast<int64_t>(random_.below(static_cast<uint64_t>(n)));
}

at::Tensor Auditor::random_tokens(int64_t n) {
  at::Tensor tokens = at::empty({n}, at::kLong);
  auto* out = tokens.data_ptr<int64_t>();
  for (int64_t i = 0; i < n; ++i) out[i] = random_below(model_.vocab_size());
  return tokens.to(model_.device());
}

Auditor::Input Auditor::random_input(const std::vector<int64_t>& lengths) {
  at::NoGradGuard no_grad;
  const at::Tensor tokens = random_tokens(Rows::contiguous(lengths)->n_tokens());
  return {tokens, model_.embed(tokens), lengths};
}

/// Tokens [begin, end) of one row, as a row of its own.
Auditor::Input Auditor::part(const Input& of, int64_t row, int64_t begin, int64_t end) const {
  const int64_t first = Rows::contiguous(of.lengths)->begin(row);
  return {of.tokens.slice(0, first + begin, first + end),
          of.x.slice(0, first + begin, first + end),
          {end - begin}};
}

Auditor::Output Auditor::evaluate(const Input& input, Run run) const {
  at::NoGradGuard no_grad;
  Output out;
  run.observer = &out.decisions;
  const Batch batch = with_token_hints({input.tokens, Rows::contiguous(input.lengths)});
  out.logits = at::mm(model_.forward(batch, input.x, nullptr, run), model_.head_weight().t()).cpu();
  return out;
}

/// Notes the change between two [n, V] logits of the tokens of one row from `first` on; those at or
/// after `until` (a tie) are left out.
void Auditor::compare_row(AuditCheck& out, const at::Tensor& expected, const at::Tensor& got,
                          int64_t first, double scale, std::optional<int64_t> until) const {
  const int64_t n = std::min(expected.size(0), until.value_or(first + expected.size(0)) - first);
  if (n <= 0) return;
  const at::Tensor change = (expected.slice(0, 0, n) - got.slice(0, 0, n)).abs().amax(1) / scale;
  const double largest = change.max().item<double>();
  if (!(largest <= settings_.tolerance)) {
    out.passed = false;
    const at::Tensor bad = change.gt(settings_.tolerance).logical_or(change.isnan()).nonzero();
    const int64_t place = first + (bad.numel() ? bad[0][0].item<int64_t>() : 0);
    out.position = out.position ? std::min(*out.position, place) : place;
  }
  out.margin = std::max(out.margin, std::isfinite(largest) ? largest : 1e300);
}

namespace audit_checks {

double largest_logit(const at::Tensor& logits) {
  return std::max(logits.abs().max().item<double>(), 1e-300);
}

}  // namespace audit_checks

/// [N, D] of the size of embeddings: the direction in which the later scores grow, or a random one
/// where no score depends on the embeddings.
at::Tensor Auditor::upward(const Input& input) const {
  audit_checks::ScoreSum scores;
  Run run;
  run.observer = &scores;
  const at::Tensor x = input.x.detach().clone().requires_grad_();
  model_.forward(with_token_hints({input.tokens, Rows::contiguous(input.lengths)}), x, nullptr,
                 run);
  at::Tensor direction;
  if (scores.sum.defined())
    direction = torch::autograd::grad({scores.sum}, {x}, {}, {}, false, /*allow_unused=*/true)[0];
  if (!direction.defined() || direction.abs().max().item<double>() == 0)
    direction = at::empty(input.x.sizes(), input.x.scalar_type())
                    .normal_(0, 1, generator(settings_.seed, "audit/upward"))
                    .to(input.x.device());
  const at::Tensor size = input.x.norm(2, 1, true).mean();
  return direction * (size / direction.norm(2, 1, true).clamp_min(1e-300));
}

/// `input`, one row, with another suffix from token `cut` on.
Auditor::Input Auditor::replaced(const Input& input, Suffix suffix, int64_t cut,
                                 const at::Tensor& upward) {
  at::NoGradGuard no_grad;
  const int64_t n = input.tokens.size(0);
  Input out{input.tokens.clone(), input.x.clone(), input.lengths};
  at::Tensor tokens = out.tokens.slice(0, cut);
  if (suffix == Suffix::repeated)
    tokens.fill_(random_below(model_.vocab_size()));
  else if (suffix == Suffix::reversed)
    tokens.copy_(tokens.flip(0).clone());
  else
    tokens.copy_(random_tokens(n - cut));
  at::Tensor x = out.x.slice(0, cut);
  x.copy_(model_.embed(tokens));
  const at::Tensor extreme = audit_checks::kExtreme * upward.slice(0, cut);
  if (suffix == Suffix::up) x.add_(extreme);
  if (suffix == Suffix::down) x.sub_(extreme);
  if (suffix == Suffix::huge)
    x.mul_(random_below(2) ? audit_checks::kExtreme : -audit_checks::kExtreme);
  if (suffix == Suffix::zero) x.zero_();
  return out;
}

/// Logits before a replaced suffix must not move.
AuditCheck Auditor::suffix_replacement(bool forced) {
  AuditCheck out = check("suffix replacement", forced);
  const int64_t n = settings_.row_tokens;
  const Input input = random_input({n});
  RecordedKeeps keeps;
  Run first;
  first.recorded = &keeps;
  const Output before = evaluate(input, first);
  const double scale = audit_checks::largest_logit(before.logits);
  const at::Tensor direction = upward(input);
  Run second;
  second.forced = forced ? &keeps : nullptr;
  double kept_up = 1, kept_down = 0;
  for (int64_t i = 0; i < settings_.replacements; ++i) {
    const auto suffix = static_cast<Suffix>(i % 8);
    const int64_t cut = suffix == Suffix::last_token ? n - 1 : 1 + random_below(n - 1);
    const Output after = evaluate(replaced(input, suffix, cut, direction), second);
    const auto tie = before.decisions.tie(0, after.decisions, 0, settings_.tolerance);
    if (tie && *tie < cut) ++out.ties;
    compare_row(out, before.logits.slice(0, 0, cut), after.logits.slice(0, 0, cut), 0, scale, tie);
    if (suffix == Suffix::up) kept_up = std::min(kept_up, after.decisions.kept_share(cut));
    if (suffix == Suffix::down) kept_down = std::max(kept_down, after.decisions.kept_share(cut));
  }
  if (!forced && !model_.selection_sites().empty()) {
    char text[80];
    std::snprintf(text, sizeof text, "later tokens kept: %.2f when driven up, %.2f down", kept_up,
                  kept_down);
    out.note = text;
  }
  return out;
}

/// d logit_t / d embedding_s must vanish for s > t.
AuditCheck Auditor::gradient_reach() {
  AuditCheck out = check("gradient reach");
  const int64_t n = settings_.row_tokens;
  const Input input = random_input({n});
  const at::Tensor x = input.x.detach().requires_grad_();
  const at::Tensor hidden =
      model_.forward(with_token_hints({input.tokens, Rows::contiguous({n})}), x, nullptr, Run{});
  const at::Tensor all = at::mm(hidden, model_.head_weight().t());
  for (int64_t t = 0; t + 1 < n; t += std::max<int64_t>(1, n / 8)) {
    const at::Tensor reach =
        torch::autograd::grad({all[t].square().sum()}, {x}, {}, /*retain_graph=*/true)[0].abs();
    const double most = reach.max().item<double>();
    const double margin = most == 0 ? 0 : reach.slice(0, t + 1).max().item<double>() / most;
    out.margin = std::max(out.margin, std::isfinite(margin) ? margin : 1e300);
    if (margin <= settings_.tolerance) continue;
    out.passed = false;
    if (!out.position) out.position = t;
  }
  return out;
}

/// A row's first tokens alone give what they give in the whole row.
AuditCheck Auditor::prefix() {
  AuditCheck out = check("prefix = whole row");
  const int64_t n = settings_.row_tokens;
  const Input input = random_input({n});
  const Output whole = evaluate(input);
  const double scale = audit_checks::largest_logit(whole.logits);
  for (int64_t length = 1; length < n; length += std::max<int64_t>(1, n / 8)) {
    const Output alone = evaluate(part(input, 0, 0, length));
    const auto tie = alone.decisions.tie(0, whole.decisions, 0, settings_.tolerance);
    if (tie) ++out.ties;
    compare_row(out, whole.logits.slice(0, 0, length), alone.logits, 0, scale, tie);
  }
  return out;
}

/// Ragged rows, one of them empty, in steps: single tokens; most of each row at once and then the
/// rest; random pieces, some of them empty.
AuditCheck Auditor::stepwise(bool forced) {
  AuditCheck out = check("stepwise = whole row", forced);
  const int64_t n = settings_.row_tokens;
  const Input input = random_input({n, 1, 0, n / 2 + 1});
  RecordedKeeps keeps;
  Run run;
  run.recorded = &keeps;
  const Output whole = evaluate(input, run);
  try {
    for (const int64_t plan : {0, 1, 2})
      compare_steps(out, input, whole, plan, forced ? &keeps : nullptr, /*exact_cuts=*/true);
    if (exact_cut_) {
      AuditCheck others = check("other cuts", forced);
      compare_steps(others, input, whole, 0, forced ? &keeps : nullptr, /*exact_cuts=*/false);
      char text[80];
      std::snprintf(text, sizeof text, "cuts that are not exact, as declared: margin %.2g",
                    others.margin);
      out.note = text;
    }
  } catch (const UserError& error) {
    out.passed = false;
    out.note = std::string("refused: ") + error.what();
  }
  return out;
}

/// How many tokens each row gets in the next step, at least one of them if any are left.
std::vector<int64_t> Auditor::step_lengths(int64_t plan, const std::vector<int64_t>& left) {
  std::vector<int64_t> out;
  int64_t sum = 0;
  for (const int64_t n : left) {
    const int64_t wanted = plan == 0   ? 1
                           : plan == 1 ? std::max<int64_t>(1, n * 3 / 4)
                                       : random_below(6);
    out.push_back(std::min(wanted, n));
    sum += out.back();
  }
  if (sum == 0) out.front() = std::min<int64_t>(1, left.front());
  return out;
}

/// Steps of a model for which only some cuts are exact end at those, or with the row.
void Auditor::lengthen_to_exact_cuts(std::vector<int64_t>& take, const std::vector<int64_t>& begin,
                                     const std::vector<int64_t>& left) const {
  for (size_t b = 0; b < take.size(); ++b)
    while (take[b] > 0 && take[b] < left[b] && !exact_cut_(begin[b] + take[b])) ++take[b];
}

void Auditor::compare_steps(AuditCheck& out, const Input& input, const Output& whole, int64_t plan,
                            const KeepRule* forced, bool exact_cuts) {
  at::NoGradGuard no_grad;
  const RowsPtr rows = Rows::contiguous(input.lengths);
  const auto state = model_.new_state(rows->n_rows(), 4);
  Output stepped;
  Run run;
  run.mode = Mode::step;
  run.forced = forced;
  run.observer = &stepped.decisions;
  stepped.logits = at::empty_like(whole.logits);
  while (state->lengths() != input.lengths) {
    const std::vector<int64_t> begin = state->lengths();
    std::vector<int64_t> left;
    for (int64_t b = 0; b < rows->n_rows(); ++b) left.push_back(rows->length(b) - begin[b]);
    std::vector<int64_t> take = step_lengths(plan, left);
    if (exact_cuts && exact_cut_) lengthen_to_exact_cuts(take, begin, left);
    std::vector<at::Tensor> tokens, x;
    for (int64_t b = 0; b < rows->n_rows(); ++b) {
      const Input piece = part(input, b, begin[b], begin[b] + take[b]);
      tokens.push_back(piece.tokens), x.push_back(piece.x);
    }
    const Batch batch = with_token_hints(continue_rows(*state, at::cat(tokens), take));
    const at::Tensor logits =
        at::mm(model_.forward(batch, at::cat(x), state.get(), run), model_.head_weight().t());
    for (int64_t b = 0; b < rows->n_rows(); ++b) {
      const int64_t to = rows->begin(b) + begin[b], from = batch.rows->begin(b);
      stepped.logits.slice(0, to, to + take[b]).copy_(logits.slice(0, from, from + take[b]));
    }
  }
  const double scale = audit_checks::largest_logit(whole.logits);
  for (int64_t b = 0; b < rows->n_rows(); ++b) {
    const auto tie = whole.decisions.tie(b, stepped.decisions, b, settings_.tolerance);
    if (tie) ++out.ties;
    const int64_t first = rows->begin(b), end = first + rows->length(b);
    compare_row(out, whole.logits.slice(0, first, end), stepped.logits.slice(0, first, end), 0,
                scale, tie);
  }
}

/// A row of a batch is the row alone.
AuditCheck Auditor::row_independence() {
  AuditCheck out = check("rows independent");
  const Input input = random_input({7, settings_.row_tokens, 0, 1, 12});
  const RowsPtr rows = Rows::contiguous(input.lengths);
  const Output together = evaluate(input);
  const double scale = audit_checks::largest_logit(together.logits);
  for (int64_t b = 0; b < rows->n_rows(); ++b) {
    const int64_t begin = rows->begin(b), n = rows->length(b);
    if (n == 0) continue;
    const Output alone = evaluate(part(input, b, 0, n));
    const auto tie = together.decisions.tie(b, alone.decisions, 0, settings_.tolerance);
    if (tie) ++out.ties;
    compare_row(out, together.logits.slice(0, begin, begin + n), alone.logits, 0, scale, tie);
  }
  return out;
}

}  // namespace sublab

// Whether steps give what whole rows give (experiments/audit/audit_checks.h).
#include <algorithm>
#include <cstdio>

#include "experiments/audit/audit_checks.h"
#include "experiments/text/token_hints.h"

namespace sublab {

/// Rows in steps: short ragged ones, one of them empty, by single tokens, by most of each row and
/// then the rest, and by random pieces, some of them empty; long ones by pieces that end around
/// each border, so that the tokens beside it come alone.
AuditCheck Auditor::stepwise(bool forced) {
  AuditCheck out = check("stepwise = whole row", forced);
  const int64_t n = settings_.row_tokens, longest = places_.longest_row();
  try {
    ask_by_length(out, n, [&](AuditCheck& of, int64_t length) {
      step_through(of, {length, 1, 0, length / 2 + 1},
                   {Pieces::single, Pieces::most, Pieces::random}, forced);
    });
    if (longest > n && !(forced && model_.selection_sites().empty()))
      ask_by_length(out, longest, [&](AuditCheck& of, int64_t length) {
        step_through(of, {length, length / 2 + 1}, {Pieces::around_borders}, forced);
      });
  } catch (const UserError& error) {
    out.passed = false;
    out.note = std::string("refused: ") + error.what();
  }
  return out;
}

void Auditor::step_through(AuditCheck& out, const std::vector<int64_t>& lengths,
                           const std::vector<Pieces>& plans, bool forced) {
  const Input input = random_input(lengths);
  RecordedKeeps keeps;
  Run run;
  run.recorded = &keeps;
  const Output whole = evaluate(input, run);
  const KeepRule* rule = forced ? &keeps : nullptr;
  for (const Pieces plan : plans) compare_steps(out, input, whole, plan, rule, /*exact_cuts=*/true);
  if (!exact_cut_ || plans.front() != Pieces::single) return;
  AuditCheck others = check("other cuts", forced);
  compare_steps(others, input, whole, Pieces::single, rule, /*exact_cuts=*/false);
  char text[80];
  std::snprintf(text, sizeof text, "cuts that are not exact, as declared: margin %.2g",
                others.margin);
  out.note = text;
}

/// How many tokens each row gets in the next step, at least one of them if any are left.
std::vector<int64_t> Auditor::step_lengths(Pieces plan, const std::vector<int64_t>& begin,
                                           const std::vector<int64_t>& left) {
  std::vector<int64_t> out;
  int64_t sum = 0;
  for (size_t b = 0; b < left.size(); ++b) {
    int64_t wanted = 1;
    if (plan == Pieces::most) wanted = std::max<int64_t>(1, left[b] * 3 / 4);
    if (plan == Pieces::random) wanted = random_below(6);
    if (plan == Pieces::around_borders) {
      const std::vector<int64_t> cuts = places_.cuts(begin[b] + left[b]);
      const auto next = std::upper_bound(cuts.begin(), cuts.end(), begin[b]);
      wanted = next == cuts.end() ? left[b] : *next - begin[b];
    }
    out.push_back(std::min(wanted, left[b]));
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

void Auditor::compare_steps(AuditCheck& out, const Input& input, const Output& whole, Pieces plan,
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
    std::vector<int64_t> take = step_lengths(plan, begin, left);
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
  const double scale = largest_logit(whole.logits);
  for (int64_t b = 0; b < rows->n_rows(); ++b) {
    const auto tie = whole.decisions.tie(b, stepped.decisions, b, settings_.tolerance);
    if (tie) ++out.ties;
    const int64_t first = rows->begin(b), end = first + rows->length(b);
    compare_row(out, whole.logits.slice(0, first, end), stepped.logits.slice(0, first, end), 0,
                scale, tie);
  }
}

}  // namespace sublab

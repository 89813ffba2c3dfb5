// Suffixes replaced, gradients, prefixes and neighbours: one question each. Steps are in
// audit_steps.cpp.
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

/// What the graph of a gradient may keep, by the ledger: rows of large models are cut for it.
constexpr double kGraphBytes = 8e9;

}  // namespace audit_checks

Auditor::Auditor(LanguageModel& model, const AuditSettings& settings, std::string weights,
                 const AuditSubject& subject)
    : model_(model),
      settings_(settings),
      weights_(std::move(weights)),
      exact_cut_(subject.exact_cut),
      length_dependent_beyond_(subject.length_dependent_beyond),
      places_(audit_places(model, subject, settings)),
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

double Auditor::largest_logit(const at::Tensor& logits) {
  return std::max(logits.abs().max().item<double>(), 1e-300);
}

/// [N, D] of the size of embeddings, for one row: the direction in which the later scores grow, or
/// a random one where no score depends on the embeddings. Piece by piece where the graph of the
/// whole row would be too large.
at::Tensor Auditor::upward(const Input& input) const {
  const int64_t n = input.tokens.size(0);
  const int64_t piece = model_.selection_sites().empty() ? n : graph_tokens(n);
  std::vector<at::Tensor> pieces;
  for (int64_t begin = 0; begin < n; begin += piece)
    pieces.push_back(direction_of_scores(part(input, 0, begin, std::min(begin + piece, n))));
  return at::cat(pieces);
}

at::Tensor Auditor::direction_of_scores(const Input& input) const {
  at::Tensor direction;
  if (!model_.selection_sites().empty()) {
    audit_checks::ScoreSum scores;
    Run run;
    run.observer = &scores;
    const at::Tensor x = input.x.detach().clone().requires_grad_();
    model_.forward(with_token_hints({input.tokens, Rows::contiguous(input.lengths)}), x, nullptr,
                   run);
    if (scores.sum.defined())
      direction = torch::autograd::grad({scores.sum}, {x}, {}, {}, false, /*allow_unused=*/true)[0];
  }
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

/// In a row of `n` tokens, a suffix from each of `cuts` on gives way to another one; what stands
/// before it must not move. Gives the shares of later tokens that were kept when driven up, down.
std::pair<double, double> Auditor::replace_suffixes(AuditCheck& out, int64_t n,
                                                    const std::vector<int64_t>& cuts, bool forced) {
  const Input input = random_input({n});
  RecordedKeeps keeps;
  Run first;
  first.recorded = &keeps;
  const Output before = evaluate(input, first);
  const double scale = largest_logit(before.logits);
  const at::Tensor direction = upward(input);
  Run second;
  second.forced = forced ? &keeps : nullptr;
  double kept_up = 1, kept_down = 0;
  for (const int64_t cut : cuts) {
    const auto suffix = static_cast<Suffix>(n_replaced_++ % kSuffixes);
    const Output after = evaluate(replaced(input, suffix, cut, direction), second);
    const auto tie = before.decisions.tie(0, after.decisions, 0, settings_.tolerance);
    if (tie && *tie < cut) ++out.ties;
    compare_row(out, before.logits.slice(0, 0, cut), after.logits.slice(0, 0, cut), 0, scale, tie);
    if (suffix == Suffix::up) kept_up = std::min(kept_up, after.decisions.kept_share(cut));
    if (suffix == Suffix::down) kept_down = std::max(kept_down, after.decisions.kept_share(cut));
  }
  return {kept_up, kept_down};
}

/// Logits before a replaced suffix must not move: cut at random and at the last token, around every
/// border, and in rows that end a little behind a border.
AuditCheck Auditor::suffix_replacement(bool forced) {
  AuditCheck out = check("suffix replacement", forced);
  const int64_t n = places_.row;
  std::vector<int64_t> cuts;
  for (int64_t i = 0; i < settings_.replacements; ++i)
    cuts.push_back(i % kSuffixes == 0 ? n - 1 : 1 + random_below(n - 1));
  // Forced decisions leave nothing to selectors: one cut a border tells what kernels do, and where
  // nobody selects the free run told it.
  const auto around = [&](const std::vector<int64_t>& all) {
    std::vector<int64_t> some;
    if (forced && model_.selection_sites().empty()) return some;
    for (size_t i = forced ? 1 : 0; i < all.size(); i += forced ? 3 : 1) some.push_back(all[i]);
    return some;
  };
  for (const int64_t cut : around(places_.cuts(n))) cuts.push_back(cut);
  n_replaced_ = 0;
  const auto [kept_up, kept_down] = replace_suffixes(out, n, cuts, forced);
  for (const int64_t border : places_.beyond)
    if (const auto some = around({border - 1, border, border + 1}); !some.empty())
      replace_suffixes(out, border + AuditPlaces::kPast, some, forced);
  if (!forced && !model_.selection_sites().empty()) {
    char text[80];
    std::snprintf(text, sizeof text, "later tokens kept: %.2f when driven up, %.2f down", kept_up,
                  kept_down);
    out.note = text;
  }
  return out;
}

/// d logit_t / d embedding_s must vanish for s > t, for each t of `from` in a row of `n` tokens.
void Auditor::reach_of(AuditCheck& out, int64_t n, const std::set<int64_t>& from) {
  const Input input = random_input({n});
  const at::Tensor x = input.x.detach().requires_grad_();
  const at::Tensor hidden =
      model_.forward(with_token_hints({input.tokens, Rows::contiguous({n})}), x, nullptr, Run{});
  const at::Tensor all = at::mm(hidden, model_.head_weight().t());
  for (const int64_t t : from) {
    if (t < 0 || t + 1 >= n) continue;
    const at::Tensor reach =
        torch::autograd::grad({all[t].square().sum()}, {x}, {}, /*retain_graph=*/true)[0].abs();
    const double most = reach.max().item<double>();
    const double margin = most == 0 ? 0 : reach.slice(0, t + 1).max().item<double>() / most;
    out.margin = std::max(out.margin, std::isfinite(margin) ? margin : 1e300);
    if (margin <= settings_.tolerance) continue;
    out.passed = false;
    out.position = std::min(out.position.value_or(t), t);
  }
}

/// The longest row up to `n` tokens whose graph the memory of an audit holds.
int64_t Auditor::graph_tokens(int64_t n) const {
  for (;; n /= 2) {
    CostShape shape = CostShape::whole_rows(1, n);
    shape.bytes_per_number = 8;
    shape.plain = true;
    Ledger ledger;
    model_.add_cost(shape, ledger);
    if (n < 64 || ledger.activation_bytes(false) <= audit_checks::kGraphBytes) return n;
  }
}

AuditCheck Auditor::gradient_reach() {
  AuditCheck out = check("gradient reach");
  const int64_t longest = graph_tokens(places_.longest_row()), n = std::min(places_.row, longest);
  std::set<int64_t> from;
  for (int64_t t = 0; t < n; t += std::max<int64_t>(1, n / 3)) from.insert(t);
  for (const int64_t border : places_.within) from.insert(border - 1);
  reach_of(out, n, from);
  for (const int64_t border : places_.beyond)
    if (border + AuditPlaces::kPast <= longest)
      reach_of(out, border + AuditPlaces::kPast, {border - 1});
  if (longest < places_.longest_row())
    out.note = "of rows up to " + std::to_string(longest) + " tokens, for memory";
  return out;
}

/// `ask` puts a question to rows of up to `n` tokens. Where the results of longer rows depend on
/// how long they are, as declared, these are asked apart: what came out is noted and fails nothing.
void Auditor::ask_by_length(AuditCheck& out, int64_t n,
                            const std::function<void(AuditCheck& out, int64_t n)>& ask) const {
  const int64_t independent = std::min(length_dependent_beyond_.value_or(n), n);
  ask(out, independent);
  if (independent == n) return;
  AuditCheck longer = check("longer rows");
  ask(longer, n);
  char text[100];
  std::snprintf(text, sizeof text, "rows of more than %lld tokens, as declared: margin %.2g",
                static_cast<long long>(independent), longer.margin);
  out.note += (out.note.empty() ? "" : "; ") + std::string(text);
}

/// A row's first tokens alone give what they give in the whole row.
AuditCheck Auditor::prefix() {
  AuditCheck out = check("prefix = whole row");
  ask_by_length(out, places_.longest_row(),
                [this](AuditCheck& of, int64_t n) { compare_prefixes(of, n); });
  return out;
}

/// Prefixes of a row of `n` tokens, of regular lengths and up to every border.
void Auditor::compare_prefixes(AuditCheck& out, int64_t n) {
  std::set<int64_t> lengths;
  for (int64_t length = 1; length < n; length += std::max<int64_t>(1, n / 4))
    lengths.insert(length);
  for (const auto* borders : {&places_.within, &places_.beyond})
    for (const int64_t border : *borders)
      if (border < n) lengths.insert({border, border + 1});
  const Input input = random_input({n});
  const Output whole = evaluate(input);
  const double scale = largest_logit(whole.logits);
  for (const int64_t length : lengths) {
    const Output alone = evaluate(part(input, 0, 0, length));
    const auto tie = alone.decisions.tie(0, whole.decisions, 0, settings_.tolerance);
    if (tie) ++out.ties;
    compare_row(out, whole.logits.slice(0, 0, length), alone.logits, 0, scale, tie);
  }
}

/// A row of a batch is the row alone. Of the rows that only fill the batch up to a border of packed
/// tokens, the last two lie on it.
AuditCheck Auditor::row_independence() {
  AuditCheck out = check("rows independent");
  ask_by_length(out, places_.row, [this](AuditCheck& of, int64_t n) { compare_rows(of, n); });
  return out;
}

void Auditor::compare_rows(AuditCheck& out, int64_t longest_row) {
  constexpr int64_t kRaggedRows = 5;
  std::vector<int64_t> lengths = {7, longest_row, 0, 1, 12};
  int64_t n_tokens = longest_row + 20;
  for (; !places_.packed.empty() && n_tokens <= places_.packed.back(); n_tokens += longest_row)
    lengths.push_back(longest_row);
  const Input input = random_input(lengths);
  const RowsPtr rows = Rows::contiguous(input.lengths);
  const Output together = evaluate(input);
  const double scale = largest_logit(together.logits);
  for (int64_t b = 0; b < rows->n_rows(); ++b) {
    const int64_t begin = rows->begin(b), n = rows->length(b);
    if (n == 0 || (b >= kRaggedRows && b + 2 < rows->n_rows())) continue;
    const Output alone = evaluate(part(input, b, 0, n));
    const auto tie = together.decisions.tie(b, alone.decisions, 0, settings_.tolerance);
    if (tie) ++out.ties;
    compare_row(out, together.logits.slice(0, begin, begin + n), alone.logits, 0, scale, tie);
  }
}

}  // namespace sublab

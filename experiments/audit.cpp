#include "experiments/audit.h"

#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <sstream>

#include "core/random.h"
#include "experiments/token_hints.h"
#include "models/interchange/tensors.h"

namespace sublab {
namespace {

/// One row of random tokens and what the model makes of it.
class Auditor {
 public:
  Auditor(LanguageModel& model, const AuditSettings& settings, std::string weights)
      : model_(model),
        settings_(settings),
        weights_(std::move(weights)),
        random_(settings.seed, "audit") {}

  std::vector<AuditCheck> run() {
    return {suffix_replacement(false), suffix_replacement(true), gradient_reach(),  prefix(),
            stepwise(false),           stepwise(true),           row_independence()};
  }

 private:
  AuditCheck check(const std::string& name) const {
    AuditCheck out;
    out.name = name;
    out.weights = weights_;
    return out;
  }

  at::Tensor random_tokens(int64_t n) {
    at::Tensor tokens = at::empty({n}, at::kLong);
    for (int64_t i = 0; i < n; ++i)
      tokens[i] = static_cast<int64_t>(random_.below(static_cast<uint64_t>(model_.vocab_size())));
    return tokens;
  }

  at::Tensor logits(const at::Tensor& tokens, const std::vector<int64_t>& lengths, Run run) const {
    at::NoGradGuard no_grad;
    return at::mm(
        run_model(model_, with_token_hints({tokens, Rows::contiguous(lengths)}), nullptr, run),
        model_.head_weight().t());
  }

  /// Notes the change between two [n, V] logits of tokens that start at `offset`.
  void compare(AuditCheck& out, const at::Tensor& a, const at::Tensor& b,
               int64_t offset = 0) const {
    if (a.size(0) == 0) return;
    const double scale = std::max(a.abs().max().item<double>(), 1e-300);
    const at::Tensor change = (a - b).abs().amax(1) / scale;
    const double largest = change.max().item<double>();
    if (!(largest <= settings_.tolerance)) {
      out.passed = false;
      const at::Tensor bad = change.gt(settings_.tolerance).logical_or(change.isnan()).nonzero();
      const int64_t first = bad.numel() ? bad[0][0].item<int64_t>() + offset : offset;
      out.position = out.position ? std::min(*out.position, first) : first;
    }
    out.margin = std::max(out.margin, std::isnan(largest) ? 1e300 : largest);
  }

  /// Logits before a replaced suffix must not move. Kinds of suffix: fresh tokens, one token
  /// repeated (which drives all later scores to one side), a single changed token, and the tokens
  /// reversed.
  AuditCheck suffix_replacement(bool forced) {
    AuditCheck out = check(forced ? "suffix replacement, decisions forced" : "suffix replacement");
    const int64_t n = settings_.row_tokens;
    const at::Tensor tokens = random_tokens(n);
    RecordedKeeps keeps;
    Run run;
    run.recorded = &keeps;
    const at::Tensor before = logits(tokens, {n}, run);
    Run second;
    second.forced = forced ? &keeps : nullptr;
    for (int64_t i = 0; i < settings_.replacements; ++i) {
      const int64_t cut = 1 + static_cast<int64_t>(random_.below(static_cast<uint64_t>(n - 1)));
      at::Tensor changed = tokens.clone();
      at::Tensor suffix = changed.slice(0, cut);
      if (i % 4 == 0) suffix.copy_(random_tokens(n - cut));
      if (i % 4 == 1)
        suffix.fill_(
            static_cast<int64_t>(random_.below(static_cast<uint64_t>(model_.vocab_size()))));
      if (i % 4 == 2) changed.slice(0, n - 1).copy_(random_tokens(1));
      if (i % 4 == 3) suffix.copy_(suffix.flip(0).clone());
      const int64_t safe = i % 4 == 2 ? n - 1 : cut;
      compare(out, before.slice(0, 0, safe), logits(changed, {n}, second).slice(0, 0, safe));
    }
    return out;
  }

  /// d logit_t / d embedding_s must vanish for s > t.
  AuditCheck gradient_reach() {
    AuditCheck out = check("gradient reach");
    const int64_t n = settings_.row_tokens;
    const at::Tensor tokens = random_tokens(n);
    const at::Tensor x = model_.embed(tokens).detach().requires_grad_();
    const at::Tensor hidden =
        model_.forward(with_token_hints({tokens, Rows::contiguous({n})}), x, nullptr, Run{});
    const at::Tensor all = at::mm(hidden, model_.head_weight().t());
    for (int64_t t = 0; t < n; t += std::max<int64_t>(1, n / 8)) {
      const auto grads =
          torch::autograd::grad({all[t].square().sum()}, {x}, {}, /*retain_graph=*/true);
      const double own = grads[0].abs().max().item<double>();
      const double later = t + 1 < n ? grads[0].slice(0, t + 1).abs().max().item<double>() : 0;
      const double margin = own > 0 ? later / own : 0;
      out.margin = std::max(out.margin, margin);
      if (margin > settings_.tolerance) {
        out.passed = false;
        if (!out.position) out.position = t;
      }
    }
    return out;
  }

  /// A row's first tokens alone give what they give in the whole row.
  AuditCheck prefix() {
    AuditCheck out = check("prefix = whole row");
    const int64_t n = settings_.row_tokens;
    const at::Tensor tokens = random_tokens(n);
    const at::Tensor whole = logits(tokens, {n}, Run{});
    for (int64_t length = 1; length < n; length += std::max<int64_t>(1, n / 8))
      compare(out, whole.slice(0, 0, length), logits(tokens.slice(0, 0, length), {length}, Run{}));
    return out;
  }

  /// Ragged rows cut at random places, against a decode state.
  AuditCheck stepwise(bool forced) {
    AuditCheck out =
        check(forced ? "stepwise = whole row, decisions forced" : "stepwise = whole row");
    const std::vector<int64_t> lengths = {settings_.row_tokens, 1, settings_.row_tokens / 2 + 1};
    const RowsPtr rows = Rows::contiguous(lengths);
    const at::Tensor tokens = random_tokens(rows->n_tokens());
    RecordedKeeps keeps;
    Run whole_run;
    whole_run.recorded = &keeps;
    const at::Tensor whole = logits(tokens, lengths, whole_run);
    Run run;
    run.mode = Mode::step;
    run.forced = forced ? &keeps : nullptr;
    at::NoGradGuard no_grad;
    try {
      const auto state = model_.new_state(rows->n_rows(), 4);
      while (state->lengths() != lengths) {
        std::vector<int64_t> take;
        std::vector<at::Tensor> part, expected;
        for (int64_t b = 0; b < rows->n_rows(); ++b) {
          const int64_t left = lengths[b] - state->lengths()[b];
          take.push_back(std::min<int64_t>(left, static_cast<int64_t>(random_.below(6))));
          const int64_t begin = rows->begin(b) + state->lengths()[b];
          part.push_back(tokens.slice(0, begin, begin + take.back()));
          expected.push_back(whole.slice(0, begin, begin + take.back()));
        }
        const at::Tensor hidden = run_model(
            model_, with_token_hints(continue_rows(*state, at::cat(part), take)), state.get(), run);
        compare(out, at::cat(expected), at::mm(hidden, model_.head_weight().t()),
                state->lengths()[0]);
      }
    } catch (const UserError& error) {
      out.passed = false;
      out.name += std::string(" (refused: ") + error.what() + ")";
    }
    return out;
  }

  /// A row of a batch is the row alone.
  AuditCheck row_independence() {
    AuditCheck out = check("rows independent");
    const std::vector<int64_t> lengths = {7, settings_.row_tokens, 1, 12};
    const RowsPtr rows = Rows::contiguous(lengths);
    const at::Tensor tokens = random_tokens(rows->n_tokens());
    const at::Tensor together = logits(tokens, lengths, Run{});
    for (int64_t b = 0; b < rows->n_rows(); ++b) {
      const int64_t begin = rows->begin(b), end = begin + lengths[b];
      compare(out, together.slice(0, begin, end),
              logits(tokens.slice(0, begin, end), {lengths[b]}, Run{}));
    }
    return out;
  }

  LanguageModel& model_;
  const AuditSettings& settings_;
  std::string weights_;
  RandomSequence random_;
};

void add_noise(LanguageModel& model, uint64_t seed) {
  at::NoGradGuard no_grad;
  for (Parameter& parameter : model.parameters()) {
    const double size = parameter.tensor.abs().mean().item<double>();
    at::Tensor noise = at::empty_like(parameter.tensor);
    noise.normal_(0, 0.3 * size + 0.02, generator(seed, "audit/" + parameter.name));
    parameter.tensor.add_(noise);
  }
}

std::string verdict_of(const std::vector<AuditCheck>& checks) {
  const AuditCheck* inconsistent = nullptr;
  const AuditCheck* leak = nullptr;
  for (const AuditCheck& check : checks) {
    if (check.passed) continue;
    const bool about_future = check.name.starts_with("suffix") ||
                              check.name.starts_with("gradient") ||
                              check.name.starts_with("prefix");
    if (about_future && !leak) leak = &check;
    if (!about_future && !inconsistent) inconsistent = &check;
  }
  std::ostringstream out;
  out.precision(3);
  if (leak)
    out << "leaks(position " << leak->position.value_or(0) << ", margin " << leak->margin << ")";
  else if (inconsistent)
    out << "inconsistent(" << inconsistent->name << ")";
  else
    out << "causal";
  return out.str();
}

}  // namespace

AuditReport audit_model(const std::function<std::unique_ptr<LanguageModel>()>& make,
                        const std::string& expects, const AuditSettings& settings) {
  AuditReport report;
  report.expects = expects;
  for (const bool noisy : {false, true}) {
    if (noisy && !settings.noise) continue;
    const auto model = make();
    convert_model(*model, at::kDouble);
    if (noisy) add_noise(*model, settings.seed);
    for (AuditCheck& check : Auditor(*model, settings, noisy ? "with noise" : "as given").run())
      report.checks.push_back(std::move(check));
  }
  report.verdict = verdict_of(report.checks);
  return report;
}

}  // namespace sublab

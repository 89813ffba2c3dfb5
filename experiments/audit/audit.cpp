// Puts the questions to the weights as given, with noise and untrained; the verdict.
#include "experiments/audit/audit.h"

#include <algorithm>
#include <sstream>

#include "experiments/audit/audit_checks.h"
#include "models/interchange/tensors.h"

namespace sublab {
namespace audit_detail {

// Few ids and short rows: a model that sees its target learns to say so within the canary's steps.
constexpr int64_t kCanaryVocab = 16, kCanaryRow = 16;
constexpr int64_t kLabelledRows = 4;

void add_noise(LanguageModel& model, uint64_t seed) {
  at::NoGradGuard no_grad;
  for (Parameter& parameter : model.parameters()) {
    const double size = parameter.tensor.abs().mean().item<double>();
    at::Tensor noise = at::empty(parameter.tensor.sizes(), parameter.tensor.scalar_type());
    noise.normal_(0, 0.3 * size + 0.02, generator(seed, "audit/" + parameter.name));
    parameter.tensor.add_(noise.to(parameter.tensor.device()));
  }
}

/// Whether a failure of this check means that something later was seen.
bool about_future(const AuditCheck& check) {
  for (const char* name : {"suffix", "gradient", "prefix", "canary"})
    if (check.name.starts_with(name)) return true;
  return false;
}

std::string leak_text(const std::vector<AuditCheck>& checks) {
  int64_t position = -1;
  double margin = 0, nats = 0;
  for (const AuditCheck& check : checks) {
    if (check.passed || !about_future(check)) continue;
    const int64_t at = check.position.value_or(0);
    position = position < 0 ? at : std::min(position, at);
    (check.name == "canary" ? nats : margin) = std::max(margin, check.margin);
  }
  if (position < 0) return "";
  std::ostringstream out;
  out.precision(3);
  out << "leaks(position " << position << ", margin ";
  if (margin > 0)
    out << margin << ")";
  else
    out << nats << " nats)";
  return out.str();
}

std::string verdict_of(const std::vector<AuditCheck>& checks, const AuditSubject& subject) {
  const std::string leak = leak_text(checks);
  if (!leak.empty()) return leak;
  for (const AuditCheck& check : checks)
    if (!check.passed) return "inconsistent(" + check.name + ")";
  std::string verdict = "causal";
  if (subject.exact_cut) verdict += ", cut dependent";
  if (subject.length_dependent_beyond)
    verdict +=
        ", length dependent beyond " + std::to_string(*subject.length_dependent_beyond) + " tokens";
  return verdict;
}

}  // namespace audit_detail

AuditReport audit_model(const AuditSubject& subject, const AuditSettings& settings) {
  AuditReport report;
  report.expects = subject.expects;
  const auto ask = [&](std::unique_ptr<LanguageModel> model, const char* weights, bool noise) {
    convert_model(*model, at::kDouble);
    if (noise) audit_detail::add_noise(*model, settings.seed);
    Auditor auditor(*model, settings, weights, subject);
    for (AuditCheck& check : auditor.run()) report.checks.push_back(std::move(check));
    const AuditPlaces& places = auditor.places();
    report.longest_row = places.longest_row();
    report.borders = places.within;
    for (const auto* more : {&places.beyond, &places.packed})
      report.borders.insert(report.borders.end(), more->begin(), more->end());
    return model->vocab_size();
  };
  const int64_t vocab_size = ask(subject.make(), "as given", false);
  if (settings.noise) ask(subject.make(), "with noise", true);
  if (settings.untrained && subject.make_untrained)
    ask(subject.make_untrained(vocab_size), "untrained", false);
  if (settings.canary_steps > 0 && subject.make_untrained) {
    const auto model = subject.make_untrained(audit_detail::kCanaryVocab);
    const auto rows =
        uniform_rows(audit_detail::kCanaryVocab, audit_detail::kCanaryRow, settings.seed);
    report.checks.push_back(run_canary(*model, *rows, settings.canary_steps, settings.seed));
  }
  if (subject.rows)
    report.checks.push_back(check_labels(*subject.rows, audit_detail::kLabelledRows));
  report.verdict = audit_detail::verdict_of(report.checks, subject);
  return report;
}

}  // namespace sublab

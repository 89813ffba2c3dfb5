// The questions that the audit puts to one set of weights.
#pragma once

#include <functional>

#include "core/random.h"
#include "experiments/audit/audit_decisions.h"
#include "experiments/audit/audit_report.h"

namespace sublab {

class Auditor {
 public:
  /// `weights` names them in the checks. `model` is fp64. `exact_cut` is AuditSubject's.
  Auditor(LanguageModel& model, const AuditSettings& settings, std::string weights,
          std::function<bool(int64_t ordinal)> exact_cut);
  std::vector<AuditCheck> run();

 private:
  /// A batch with its embeddings, which may be none of the tokens'.
  struct Input {
    at::Tensor tokens, x;
    std::vector<int64_t> lengths;
  };
  struct Output {
    at::Tensor logits;
    DecisionLog decisions;
  };
  /// What can stand in place of a suffix. `up` and `down` drive all later scores high and low.
  enum class Suffix { fresh, up, repeated, down, last_token, huge, reversed, zero };

  AuditCheck check(const std::string& name, bool forced = false) const;
  int64_t random_below(int64_t n);
  at::Tensor random_tokens(int64_t n);
  Input random_input(const std::vector<int64_t>& lengths);
  Input part(const Input& of, int64_t row, int64_t begin, int64_t end) const;
  Output evaluate(const Input& input, Run run = {}) const;
  void compare_row(AuditCheck& out, const at::Tensor& expected, const at::Tensor& got,
                   int64_t first, double scale, std::optional<int64_t> until) const;
  at::Tensor upward(const Input& input) const;
  Input replaced(const Input& input, Suffix suffix, int64_t cut, const at::Tensor& upward);

  AuditCheck suffix_replacement(bool forced);
  AuditCheck gradient_reach();
  AuditCheck prefix();
  AuditCheck stepwise(bool forced);
  std::vector<int64_t> step_lengths(int64_t plan, const std::vector<int64_t>& left);
  void lengthen_to_exact_cuts(std::vector<int64_t>& take, const std::vector<int64_t>& begin,
                              const std::vector<int64_t>& left) const;
  void compare_steps(AuditCheck& out, const Input& input, const Output& whole, int64_t plan,
                     const KeepRule* forced, bool exact_cuts);
  AuditCheck row_independence();

  LanguageModel& model_;
  const AuditSettings& settings_;
  std::string weights_;
  std::function<bool(int64_t ordinal)> exact_cut_;
  RandomSequence random_;
};

}  // namespace sublab

// The questions that the audit puts to one set of weights.
#pragma once

#include <functional>
#include <set>
#include <utility>

#include "core/random.h"
#include "experiments/audit/audit_decisions.h"
#include "experiments/audit/audit_places.h"

namespace sublab {

class Auditor {
 public:
  /// `weights` names them in the checks. `model` is fp64.
  Auditor(LanguageModel& model, const AuditSettings& settings, std::string weights,
          const AuditSubject& subject);
  std::vector<AuditCheck> run();
  const AuditPlaces& places() const { return places_; }

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
  enum class Suffix { fresh, up, repeated, down, huge, reversed, zero };
  static constexpr int64_t kSuffixes = 7;
  /// How rows are cut into steps.
  enum class Pieces { single, most, random, around_borders };

  AuditCheck check(const std::string& name, bool forced = false) const;
  int64_t random_below(int64_t n);
  at::Tensor random_tokens(int64_t n);
  Input random_input(const std::vector<int64_t>& lengths);
  Input part(const Input& of, int64_t row, int64_t begin, int64_t end) const;
  Output evaluate(const Input& input, Run run = {}) const;
  void compare_row(AuditCheck& out, const at::Tensor& expected, const at::Tensor& got,
                   int64_t first, double scale, std::optional<int64_t> until) const;
  at::Tensor upward(const Input& input) const;
  at::Tensor direction_of_scores(const Input& input) const;
  Input replaced(const Input& input, Suffix suffix, int64_t cut, const at::Tensor& upward);

  static double largest_logit(const at::Tensor& logits);
  std::pair<double, double> replace_suffixes(AuditCheck& out, int64_t n,
                                             const std::vector<int64_t>& cuts, bool forced);
  AuditCheck suffix_replacement(bool forced);
  int64_t graph_tokens(int64_t n) const;
  void reach_of(AuditCheck& out, int64_t n, const std::set<int64_t>& from);
  AuditCheck gradient_reach();
  void ask_by_length(AuditCheck& out, int64_t n,
                     const std::function<void(AuditCheck& out, int64_t n)>& ask) const;
  void compare_prefixes(AuditCheck& out, int64_t n);
  AuditCheck prefix();
  AuditCheck stepwise(bool forced);
  void step_through(AuditCheck& out, const std::vector<int64_t>& lengths,
                    const std::vector<Pieces>& plans, bool forced);
  std::vector<int64_t> step_lengths(Pieces plan, const std::vector<int64_t>& begin,
                                    const std::vector<int64_t>& left);
  void lengthen_to_exact_cuts(std::vector<int64_t>& take, const std::vector<int64_t>& begin,
                              const std::vector<int64_t>& left) const;
  void compare_steps(AuditCheck& out, const Input& input, const Output& whole, Pieces plan,
                     const KeepRule* forced, bool exact_cuts);
  void compare_rows(AuditCheck& out, int64_t longest_row);
  AuditCheck row_independence();

  LanguageModel& model_;
  const AuditSettings& settings_;
  std::string weights_;
  std::function<bool(int64_t ordinal)> exact_cut_;
  std::optional<int64_t> length_dependent_beyond_;
  AuditPlaces places_;
  int64_t n_replaced_ = 0;  ///< picks the kind of the next suffix
  RandomSequence random_;
};

}  // namespace sublab

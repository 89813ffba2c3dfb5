// What a task gives shortly before the end of training: how far a result hangs on where training
// stopped. An entry of `evaluate` asks for it with "last_points".
#pragma once

#include <functional>
#include <vector>

#include "core/npz.h"
#include "core/schema/trial_config.h"
#include "experiments/tasks/evaluation.h"
#include "models/language_model.h"

namespace sublab {

/// Points lie this share of the run apart, the last one at its end.
inline constexpr double kPointSpacing = 0.02;

class LastPoints {
 public:
  using Ask = std::function<Evaluation(size_t entry)>;

  LastPoints(const TrialConfig& config, int64_t n_steps);

  /// Asks the entries that have a point after `n_done` steps, of a model whose thresholds
  /// `calibrate` fits; they are put back behind it, since training goes on.
  void look(int64_t n_done, double tokens, LanguageModel& model,
            const std::function<void()>& calibrate, const Ask& ask);
  /// What was found, as arrays of the evaluations.
  const NpyMembers& arrays() const { return arrays_; }

 private:
  bool is_due(size_t entry, int64_t n_done) const;

  std::vector<int64_t> n_points_;  ///< of each entry, the end included; 0 = none asked for
  int64_t n_steps_, spacing_;
  std::vector<std::vector<double>> found_;  ///< of each entry: tokens, value, tokens, ...
  NpyMembers arrays_;
};

/// Adds to `out`, asked at the end of training, how far its result and those of the earlier points
/// in `arrays` lie apart; absent, with a reason, where the training left none.
void add_last_points(const NpyMembers& arrays, Evaluation& out);

}  // namespace sublab

// Does a model look at what it may not see, and do its three modes agree? (docs/measurement.md)
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/fields.h"
#include "data/row_source.h"
#include "models/language_model.h"

namespace sublab {

struct AuditSettings {
  int64_t row_tokens = 40;
  int64_t replacements = 32;  ///< of a whole suffix, per kind of weights
  bool noise =
      true;  ///< once more with noise on every parameter, so that no closed gate hides a path
  double tolerance = 1e-10;  ///< of the largest logit, fp64
  uint64_t seed = 1;
  int64_t canary_steps = 200;  ///< at most; 0 = no canary
  bool untrained = false;      ///< once more with the architecture's initial weights

  /// What each trial does: short rows, and no canary, which trains a model of its own.
  static AuditSettings brief() { return {24, 32, true, 1e-10, 1, 0, false}; }
};

/// What is audited.
struct AuditSubject {
  /// The model anew each time, weights as given: the audit converts them to fp64 and adds noise.
  std::function<std::unique_ptr<LanguageModel>()> make;
  std::string expects = "causal";  ///< what the catalog says of the architecture
  bool cut_dependent = false;      ///< declared so: steps need not equal whole rows
  /// The architecture with its initial weights and any vocabulary; empty = no canary.
  std::function<std::unique_ptr<LanguageModel>(int64_t vocab_size)> make_untrained = {};
  /// Rows that the model is trained on as a predictor of the next token; null = none to check.
  const RowSource* rows = nullptr;
};

/// One question that was put to the model.
struct AuditCheck {
  std::string name;
  std::string weights;  ///< "as given", "untrained", "with noise", "trained on noise"
  bool passed = true;
  double margin = 0;                ///< largest change seen, relative to the largest logit
  std::optional<int64_t> position;  ///< first token where it failed
  int64_t ties = 0;  ///< rows left at a free decision whose score lies within rounding of 0
  std::string note;  ///< what was done, where that differs from case to case

  template <class F>
  void fields(F& f) {
    f("name", name, "what was asked");
    f("weights", weights, "of the model that was asked");
    f("passed", passed, "true when nothing was found");
    f("margin", margin, "largest relative change of a logit; canary: nats below ln V");
    f("position", position, "first token where it failed");
    f("ties", ties,
      "rows compared only up to a free decision whose score lies within rounding of the threshold");
    f("note", note, "what was done");
  }
};

struct AuditReport {
  /// "causal", "causal, cut dependent", "leaks(position p, margin m)" or "inconsistent(where)"
  std::string verdict;
  std::string expects = "causal";
  std::vector<AuditCheck> checks;

  bool as_expected() const { return verdict.starts_with(expects); }
  template <class F>
  void fields(F& f) {
    f("verdict", verdict, "what was found");
    f("expects", expects, "what the catalog says of the architecture");
    f("checks", checks, "each question");
  }
};

/// Asks a model everything.
AuditReport audit_model(const AuditSubject& subject, const AuditSettings& settings);

/// Rows of `context_len` independent uniform tokens, labelled with the next one: no model can
/// predict them.
std::unique_ptr<RowSource> uniform_rows(int64_t vocab_size, int64_t context_len, uint64_t seed);

/// Trains `model` in place with the ordinary loop on `rows`, which must be uniform random tokens of
/// its vocabulary, then measures the loss of fresh rows in evaluate mode: it must stay above ln V -
/// 5 standard errors. Whoever gets below sees its target. At most `steps` steps of 512 tokens;
/// fewer where a step is expensive (the note says how many).
AuditCheck run_canary(LanguageModel& model, const RowSource& rows, int64_t steps, uint64_t seed);

/// Each label of rows 0 .. n_rows - 1 must be the next token of its row, or ignored. The last token
/// of a row predicts what is not in the row, so it is not checked.
AuditCheck check_labels(const RowSource& rows, int64_t n_rows);

}  // namespace sublab

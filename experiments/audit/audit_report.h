// What is asked of a model, and what came out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/fields.h"

namespace sublab {

struct AuditSettings {
  /// At least so many tokens in a row; borders, the context and the selectors ask for more
  /// (experiments/audit/audit_places.h).
  int64_t row_tokens = 40;
  int64_t replacements = 32;  ///< of a suffix at random places, per kind of weights
  bool noise =
      true;  ///< once more with noise on every parameter, so that no closed gate hides a path
  double tolerance = 1e-10;  ///< of the largest logit, fp64
  uint64_t seed = 1;
  int64_t canary_steps = 200;  ///< at most; 0 = no canary
  bool untrained = false;      ///< once more with the architecture's initial weights

  /// What each trial does: fewer replacements, and no canary, which trains a model of its own.
  static AuditSettings brief() { return {24, 8, true, 1e-10, 1, 0, false}; }
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

/// Raised when the audit asks other questions, so that checks are held against those of equal ones.
inline constexpr int64_t kAuditVersion = 2;

struct AuditReport {
  /// "causal", "causal, cut dependent", "causal, length dependent beyond 256 tokens",
  /// "leaks(position p, margin m)" or "inconsistent(where)"
  std::string verdict;
  std::string expects = "causal";
  int64_t version = kAuditVersion;
  int64_t longest_row = 0;       ///< tokens
  std::vector<int64_t> borders;  ///< looked at on both sides (experiments/audit/audit_places.h)
  std::vector<AuditCheck> checks;

  bool as_expected() const { return verdict.starts_with(expects); }
  template <class F>
  void fields(F& f) {
    f("verdict", verdict, "what was found");
    f("expects", expects, "what the catalog says of the architecture");
    f("version", version, "of the questions");
    f("longest_row", longest_row, "tokens of the longest row that was read");
    f("borders", borders, "of tiles, chunks and the context, looked at on both sides");
    f("checks", checks, "each question");
  }
};

}  // namespace sublab

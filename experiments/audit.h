// Does a model look at what it may not see, and do its three modes agree? (docs/measurement.md)
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/fields.h"
#include "models/language_model.h"

namespace sublab {

struct AuditSettings {
  int64_t row_tokens = 40;
  int64_t replacements = 32;  ///< of a whole suffix, per kind of weights
  bool noise =
      true;  ///< once more with noise on every parameter, so that no closed gate hides a path
  double tolerance = 1e-10;  ///< of the largest logit, fp64
  uint64_t seed = 1;

  /// What each trial does; `sublab audit` does more.
  static AuditSettings brief() { return {24, 32, true, 1e-10, 1}; }
};

/// One question that was put to the model.
struct AuditCheck {
  std::string name;
  std::string weights;  ///< "as given" or "with noise"
  bool passed = true;
  double margin = 0;                ///< largest change seen, relative to the largest logit
  std::optional<int64_t> position;  ///< first token where it failed

  template <class F>
  void fields(F& f) {
    f("name", name, "what was asked");
    f("weights", weights, "as given, or with noise");
    f("passed", passed, "true when nothing was found");
    f("margin", margin, "largest relative change of a logit");
    f("position", position, "first token where it failed");
  }
};

struct AuditReport {
  std::string verdict;  ///< "causal", "leaks(position p, margin m)" or "inconsistent(where)"
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

/// Asks a model everything. `make` returns it anew each time (weights as given; the audit converts
/// them to fp64 and may add noise).
AuditReport audit_model(const std::function<std::unique_ptr<LanguageModel>()>& make,
                        const std::string& expects, const AuditSettings& settings);

}  // namespace sublab

// Settings that several ropes have, under the same names and rules.
#pragma once

#include <optional>
#include <string>

#include "core/fields.h"
#include "models/entries/attention.h"
#include "models/parts/scaled_rope.h"

namespace sublab::rope_settings {

/// A setting that has no default. Throws UserError that names it.
template <class T>
T needed(const std::optional<T>& value, const std::string& path, const char* name,
         const char* what) {
  if (!value) throw UserError(path, "needs '" + std::string(name) + "', " + what);
  return *value;
}

struct Factor {
  std::optional<double> factor;

  template <class F>
  void fields(F& f) {
    f("factor", factor, "s: length of the new window over that of the old one; needed",
      within(1, 1 << 20));
  }
  void validate(const std::string& path) const {
    needed(factor, path, "factor", "the length of the new window over that of the old one");
  }
  double s() const { return *factor; }
};

struct Window : Factor {
  std::optional<int64_t> original_context_len;

  template <class F>
  void fields(F& f) {
    Factor::fields(f);
    f("original_context_len", original_context_len,
      "L: tokens of the window that positions were trained in; needed", within(1, 1 << 24));
  }
  void validate(const std::string& path) const {
    Factor::validate(path);
    needed(original_context_len, path, "original_context_len",
           "the tokens of the window that positions were trained in "
           "(original_max_position_embeddings)");
  }
  double len() const { return static_cast<double>(*original_context_len); }
};

/// Which frequencies are interpolated, by how often they turn within the old window.
struct Ramp : Window {
  double beta_fast = 32;
  double beta_slow = 1;
  std::string ramp = "code";
  bool truncate = true;

  template <class F>
  void fields(F& f) {
    Window::fields(f);
    f("beta_fast", beta_fast, "turns within L from which on a frequency is kept", above(0, 1e6));
    f("beta_slow", beta_slow, "turns within L up to which a frequency is divided by s",
      above(0, 1e6));
    f("ramp", ramp,
      "between them linear in the dimension (code: as transformers) or in the turns (paper)",
      one_of({"code", "paper"}));
    f("truncate", truncate, "ends of the ramp of `code` are whole dimensions");
  }
  void validate(const std::string& path) const;
  /// h of these settings.
  at::Tensor frequencies(const RopeContext& context, const at::TensorOptions& like) const;
};

}  // namespace sublab::rope_settings

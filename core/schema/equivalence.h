// Which differences count as none: stated by the author of a study before it is run.
#pragma once

#include <optional>

#include "core/fields.h"

namespace sublab {

/// The margins of two one-sided tests. Absent: no difference is called `equivalent`.
struct EquivalenceMargins {
  std::optional<double> loss_nats;  ///< of losses, nats per token
  std::optional<double> accuracy;   ///< of shares of right answers

  template <class F>
  void fields(F& f) {
    f("equivalence_margin", loss_nats, "losses this close, in nats per token, are equivalent",
      above(0, 100));
    f("equivalence_margin_accuracy", accuracy, "accuracies this close are equivalent", above(0, 1));
  }

  friend bool operator==(const EquivalenceMargins&, const EquivalenceMargins&) = default;
};

}  // namespace sublab

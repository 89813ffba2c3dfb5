// Two variants of a study, paired by document and by seed.
#pragma once

#include <string>

#include "analysis/study_data.h"

namespace sublab {

struct Comparison {
  bool possible = false;
  std::string reason;   ///< why not
  Estimate difference;  ///< loss of the variant - loss of the reference, nats per token
  double p_value = 1;
  int64_t n_seeds = 0;
  int64_t n_documents = 0;
  double smallest_detectable = 0;  ///< difference that this design would find 8 times in 10
};

/// Loss of `variant` minus that of `reference` on the same documents. With one seed the target is
/// "these checkpoints" (uncertainty over documents), with more "the recipe" (t over seeds). Refused
/// when documents or tokenizers differ.
Comparison compare_losses(const VariantData& variant, const VariantData& reference);

/// Mean loss of one variant with the interval that its seeds allow.
Estimate variant_loss(const VariantData& variant);

}  // namespace sublab

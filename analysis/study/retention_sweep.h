// Variants that differ in model.retention alone: what keeping fewer tokens costs, and where it
// begins to cost more.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/study/study_data.h"

namespace sublab {

/// The bend of a curve of loss over retention, by the largest distance from the chord: x and y are
/// scaled to [0, 1], the chord joins the ends, and the knee is the inner point that lies furthest
/// below it (the discrete form of Kneedle, Satopaa et al. 2011, doi:10.1109/ICDCSW.2011.20).
struct Knee {
  std::optional<double> retention;  ///< of the mean over seeds; none where there is no knee
  double low = 0, high = 0;         ///< lowest and highest over the seeds taken alone
  std::string no_knee;              ///< why there is none
};

struct RetentionSweep {
  std::string name;                          ///< "subllm" of "subllm/retention=0.5"
  std::vector<const VariantData*> variants;  ///< lowest retention first
  std::vector<double> retentions;            ///< of each
  std::vector<double> losses;                ///< mean over the seeds that all have
  std::vector<double> below_chord;           ///< scaled distance, positive below; 0 at the ends
  int64_t n_seeds = 0;
  Knee knee;
};

/// Distance of each point below the chord of the first and the last, after scaling; `x` ascends.
/// All 0 where y has no range.
std::vector<double> distance_below_chord(const std::vector<double>& x,
                                         const std::vector<double>& y);

/// Groups of three or more variants whose configurations differ in a retention below 1, or of 1,
/// and in a tuned learning rate at most. Seeds that one of them lacks are left out.
std::vector<RetentionSweep> retention_sweeps(const StudyData& data);

}  // namespace sublab

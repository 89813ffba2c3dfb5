// Whether the variants of a measurement fit in memory beside each other, by the ledger.
#pragma once

#include <memory>
#include <vector>

#include "core/schema/measure_config.h"
#include "core/schema/trial_config.h"
#include "experiments/machine/calibrate.h"
#include "experiments/measure/measure.h"
#include "models/language_model.h"

namespace sublab {

/// A variant that is measured, in shapes alone.
struct MeasuredModel {
  MeasuredModel(const PlannedTrial& planned, const Catalog& catalog);
  const PlannedTrial& trial;
  TrialConfig config;
  std::unique_ptr<LanguageModel> shapes;
};

/// Bytes of one variant's tensors in one cell.
struct CellMemory {
  double resident = 0;  ///< between its rounds: weights, and in training both moments
  double peak = 0;      ///< in a round
};
CellMemory cell_memory(const MeasuredModel& model, const std::string& mode, int64_t context,
                       int64_t batch, const MeasureConfig& measure);

/// How workers that are all resident share a card of `total_bytes` (0 = not known: nothing is
/// shared). Where all peaks fit beside each other, each keeps what it has. Else free memory goes
/// back after each round. Where not even what stays between rounds fits beside the largest peak,
/// the reference's two series come from one process. What does not fit then is out of memory.
struct MemorySharing {
  bool gives_memory_back = false, reference_shares_process = false;
};
MemorySharing share_memory(const std::vector<CellMemory>& variants, size_t reference,
                           double total_bytes);

/// The products of linear maps that the models' weights make with the rows of the largest cell, and
/// the number formats that they are made in: what the machine is calibrated at.
std::vector<MatmulShape> shapes_of(const std::vector<MeasuredModel>& models,
                                   const MeasureConfig& config);
std::vector<std::string> dtypes_of(const std::vector<MeasuredModel>& models,
                                   const MeasureConfig& measure, at::Device device);

}  // namespace sublab

// Adds up ledgers (experiments/measure/memory_fit.h).
#include "experiments/measure/memory_fit.h"

#include <algorithm>

#include "experiments/plan/cost_estimate.h"

namespace sublab {

MeasuredModel::MeasuredModel(const PlannedTrial& planned, const Catalog& catalog) : trial(planned) {
  read_fields(planned.config, "plan.json: " + planned.label(), config);
  shapes = planned_model(config, catalog);
}

CellMemory cell_memory(const MeasuredModel& model, const std::string& mode, int64_t context,
                       int64_t batch, const MeasureConfig& measure) {
  if (mode != "train") {
    const int64_t tokens = context + (mode == "decode" ? measure.decode_tokens : 0);
    const MemoryEstimate memory = prefill_memory(*model.shapes, batch, tokens);  // in float32
    const double share = measure.dtype == "bfloat16" ? 0.5 : 1;
    return {share * memory.weights, share * memory.peak};
  }
  TrainConfig config = model.config.train;
  config.batch_tokens = batch * context;
  config.micro_batch_tokens = 0;
  const MemoryEstimate memory = training_memory(*model.shapes, config, context);
  constexpr double kFloatBytes = 4;  // between rounds weights are float32 in any number format
  return {n_parameters(*model.shapes) * kFloatBytes + memory.optimizer, memory.peak};
}

MemorySharing share_memory(const std::vector<CellMemory>& variants, size_t reference,
                           double total_bytes) {
  // A process's own context on a device, and what a caching allocator loses to its granularity.
  constexpr double kContextBytes = 6e8, kUsable = 0.92;
  if (total_bytes <= 0) return {};
  const auto n = static_cast<double>(variants.size());
  double peaks = variants[reference].peak, residents = 0, largest = 0;
  for (const CellMemory& variant : variants) {
    peaks += variant.peak;
    residents += variant.resident;
    largest = std::max(largest, variant.peak - variant.resident);
  }
  const double room = kUsable * total_bytes - (n + 2) * kContextBytes;  // the coordinator's, too
  MemorySharing out;
  out.gives_memory_back = peaks > room;
  out.reference_shares_process = residents + variants[reference].resident + largest > room;
  return out;
}

std::vector<MatmulShape> shapes_of(const std::vector<MeasuredModel>& models,
                                   const MeasureConfig& config) {
  constexpr int64_t kMostRows = 16384, kLeastWidth = 16;
  const int64_t rows =
      std::min(kMostRows, *std::max_element(config.context.begin(), config.context.end()) *
                              *std::max_element(config.batch.begin(), config.batch.end()));
  std::vector<MatmulShape> out;
  for (const MeasuredModel& model : models)
    for (const Parameter& parameter : model.shapes->parameters()) {
      if (parameter.tensor.dim() != 2 || parameter.name.find("embed") != std::string::npos)
        continue;
      const MatmulShape shape{rows, parameter.tensor.size(1), parameter.tensor.size(0)};
      if (std::min(shape.k, shape.n) >= kLeastWidth &&
          std::find(out.begin(), out.end(), shape) == out.end())
        out.push_back(shape);
    }
  return out;
}

std::vector<std::string> dtypes_of(const std::vector<MeasuredModel>& models,
                                   const MeasureConfig& measure, at::Device device) {
  std::vector<std::string> out = dtypes_of(device);
  const auto add = [&](const std::string& dtype) {
    if (std::find(out.begin(), out.end(), dtype) == out.end()) out.push_back(dtype);
  };
  add(measure.dtype);
  for (const MeasuredModel& model : models) add(model.config.train.dtype);
  return out;
}

}  // namespace sublab

// Metrics computed anew from a record's ledger and from the arrays of each of its evaluations.
#include <cmath>
#include <numbers>

#include "analysis/study/study_data.h"
#include "analysis/verify.h"
#include "core/schema/arrays.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace {

double sum_of(const json& lines, const char* key) {
  double sum = 0;
  for (const json& line : lines) sum += line.value(key, 0.0);
  return sum;
}

void derive_from_ledger(const Record& record, std::vector<DerivedMetric>& out) {
  const json lines = record.ledger.value("lines", json::array());
  if (lines.empty()) return;
  const json& train = record.config.at("train");
  const double context = record.config.at("data").at("context_len").get<double>();
  if (!train.value("recompute", false))
    out.push_back({metric::kTrainFlopsPerToken, 3 * sum_of(lines, "flops_causal") / context});
  const double tokens = train.at("tokens").get<double>();
  out.push_back({metric::kTrainTokens, tokens});
  if (const Metric* n = record.find(metric::kParams); n && n->value)
    out.push_back({metric::kTokensPerParameter, tokens / *n->value});
}

void derive_from_documents(const NpyArray& array, const std::string& evaluation,
                           std::vector<DerivedMetric>& out) {
  const auto sums = array.as_doubles();
  double loss = 0, tokens = 0, bytes = 0, loss_of_bytes = 0;
  for (size_t d = 0; d + 2 < sums.size(); d += array::kDocumentColumns) {
    loss += sums[d], tokens += sums[d + 1], bytes += sums[d + 2];
    if (sums[d + 2] > 0) loss_of_bytes += sums[d];  // the others have no bytes to count by
  }
  if (tokens <= 0) return;
  out.push_back({metric::kLossNats, loss / tokens, evaluation});
  out.push_back({metric::kPerplexity, std::exp(loss / tokens), evaluation});
  if (bytes > 0)
    out.push_back({metric::kBitsPerByte, loss_of_bytes / std::numbers::ln2 / bytes, evaluation});
}

void derive_from_positions(const NpyArray& array, const std::string& evaluation,
                           std::vector<DerivedMetric>& out) {
  const auto buckets = array.as_doubles();
  const size_t n = buckets.size() / array::kPositionColumns;
  const auto mean = [&](size_t from, size_t to) {
    double loss = 0, tokens = 0;
    for (size_t b = from; b < to; ++b) {
      loss += buckets[array::kPositionColumns * b + 1];
      tokens += buckets[array::kPositionColumns * b + 2];
    }
    return tokens > 0 ? loss / tokens : 0;
  };
  out.push_back({metric::kLossEarlyNats, mean(0, n / 4), evaluation});
  out.push_back({metric::kLossLateNats, mean(n - n / 4, n), evaluation});
}

}  // namespace

std::vector<DerivedMetric> derive_metrics(const Record& record, const fs::path& study_folder) {
  std::vector<DerivedMetric> out;
  derive_from_ledger(record, out);
  for (const RecordedEvaluation& each : record.evaluations) {
    if (const auto sums = read_array(study_folder, record, array::kDocuments, each.id))
      derive_from_documents(*sums, each.id, out);
    if (const auto buckets = read_array(study_folder, record, array::kPositions, each.id))
      derive_from_positions(*buckets, each.id, out);
  }
  return out;
}

}  // namespace sublab

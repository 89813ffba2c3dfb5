#include "analysis/compare.h"

#include <cmath>

namespace sublab {
namespace {

/// Records of both variants with the same seed that have losses.
struct Pair {
  const DocumentLossTable* own;
  const DocumentLossTable* other;
};

std::vector<Pair> pairs_of(const VariantData& variant, const VariantData& reference,
                           std::string& reason) {
  std::vector<Pair> pairs;
  for (const Record* a : variant.good())
    for (const Record* b : reference.good()) {
      if (a->seed != b->seed) continue;
      const auto own = variant.losses.find(a->id), other = reference.losses.find(b->id);
      if (own == variant.losses.end() || other == reference.losses.end()) {
        reason = "losses per document are missing";
        continue;
      }
      if (a->provenance.value("tokenizer_hash", "") != b->provenance.value("tokenizer_hash", "")) {
        reason = "the tokenizers differ; bits per byte can be compared, losses per token cannot";
        continue;
      }
      if (own->second.keys != other->second.keys) {
        reason = "the validation documents differ";
        continue;
      }
      pairs.push_back({&own->second, &other->second});
    }
  if (pairs.empty() && reason.empty()) reason = "no seed ended well in both";
  return pairs;
}

double mean_of_table(const DocumentLossTable& table) {
  double loss = 0, tokens = 0;
  for (const DocumentSum& sum : table.sums) loss += sum.loss, tokens += sum.tokens;
  return loss / tokens;
}

}  // namespace

Comparison compare_losses(const VariantData& variant, const VariantData& reference) {
  Comparison out;
  const auto pairs = pairs_of(variant, reference, out.reason);
  if (pairs.empty()) return out;
  out.possible = true;
  out.n_seeds = static_cast<int64_t>(pairs.size());
  out.n_documents = static_cast<int64_t>(pairs.front().own->sums.size());
  double freedom = 1e6;
  if (pairs.size() == 1) {
    out.difference = paired_difference(pairs[0].own->sums, pairs[0].other->sums);
    out.p_value = sign_flip_p_value(pairs[0].own->sums, pairs[0].other->sums);
  } else {
    std::vector<double> differences;
    for (const Pair& pair : pairs)
      differences.push_back(mean_of_table(*pair.own) - mean_of_table(*pair.other));
    out.difference = mean_over_seeds(differences);
    out.p_value = seeds_p_value(differences);
    freedom = static_cast<double>(pairs.size() - 1);
  }
  const double half = 0.5 * (out.difference.interval.high - out.difference.interval.low);
  const double critical = student_quantile(0.975, freedom);
  out.smallest_detectable = half / critical * (critical + student_quantile(0.8, freedom));
  return out;
}

Estimate variant_loss(const VariantData& variant) {
  std::vector<double> means;
  const DocumentLossTable* last = nullptr;
  for (const Record* record : variant.good()) {
    const auto it = variant.losses.find(record->id);
    if (it == variant.losses.end()) continue;
    last = &it->second;
    means.push_back(mean_of_table(*last));
  }
  if (means.empty()) return {};
  return means.size() == 1 ? mean_loss(last->sums) : mean_over_seeds(means);
}

}  // namespace sublab

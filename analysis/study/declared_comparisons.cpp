// The comparisons that a study declares, corrected over their family.
#include "analysis/study/compare.h"

namespace sublab {
namespace {

std::vector<Comparison> compare_pairs(const StudyData& data, const AskedQuestion* question) {
  auto pairs = data.plan.comparisons;
  if (pairs.empty())
    for (const VariantData& variant : data.variants)
      if (variant.name != data.plan.compare_to)
        pairs.push_back({variant.name, data.plan.compare_to});
  std::vector<Comparison> out;
  for (const auto& pair : pairs)
    out.push_back(
        compare_losses_in_any_unit(data.variant(pair.at(0)), data.variant(pair.at(1)), question));
  return out;
}

/// Corrects the p-values of these comparisons, which are one family.
void correct(const std::vector<Comparison*>& family) {
  std::vector<double> p_values;
  for (const Comparison* comparison : family)
    if (comparison->p_value) p_values.push_back(*comparison->p_value);
  const auto by_holm = holm(p_values), discovery = benjamini_hochberg(p_values);
  size_t next = 0;
  for (Comparison* comparison : family) {
    if (!comparison->p_value) continue;
    comparison->p_holm = by_holm[next];
    comparison->p_false_discovery = discovery[next++];
  }
}

}  // namespace

std::vector<Comparison> declared_comparisons(const StudyData& data) {
  std::vector<Comparison> out = compare_pairs(data, nullptr);
  std::vector<Comparison*> family;
  for (Comparison& comparison : out) family.push_back(&comparison);
  correct(family);
  return out;
}

std::vector<std::vector<Comparison>> declared_comparisons(
    const StudyData& data, const std::vector<AskedQuestion>& questions) {
  std::vector<std::vector<Comparison>> out;
  for (const AskedQuestion& question : questions) out.push_back(compare_pairs(data, &question));
  std::vector<Comparison*> family;
  for (auto& of_question : out)
    for (Comparison& comparison : of_question) family.push_back(&comparison);
  correct(family);
  return out;
}

}  // namespace sublab

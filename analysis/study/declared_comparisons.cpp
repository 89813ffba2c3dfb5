// The comparisons that a study declares, corrected over their family.
#include <algorithm>

#include "analysis/study/compare.h"
#include "analysis/study/estimate_difference.h"

namespace sublab {
namespace {

/// The pairs that the plan declares, in the order of the plan.
std::vector<std::vector<std::string>> declared_pairs(const StudyData& data) {
  auto pairs = data.plan.comparisons;
  if (pairs.empty())
    for (const VariantData& variant : data.variants)
      if (variant.name != data.plan.compare_to)
        pairs.push_back({variant.name, data.plan.compare_to});
  return pairs;
}

std::vector<Comparison> compare_pairs(const StudyData& data, const AskedQuestion* question) {
  std::vector<Comparison> out;
  for (const auto& pair : declared_pairs(data))
    out.push_back(
        compare_losses_in_any_unit(data.variant(pair.at(0)), data.variant(pair.at(1)), question));
  return out;
}

/// Holm's correction of a p-value that some of the comparisons have.
void correct_one(const std::vector<Comparison*>& family, std::optional<double> Comparison::*given,
                 std::optional<double> Comparison::*corrected,
                 std::vector<double> (*correction)(const std::vector<double>&)) {
  std::vector<double> p_values;
  for (const Comparison* comparison : family)
    if (comparison->*given) p_values.push_back(*(comparison->*given));
  const auto all = correction(p_values);
  size_t next = 0;
  for (Comparison* comparison : family)
    if (comparison->*given) comparison->*corrected = all[next++];
}

/// Corrects the p-values of these comparisons, which are one family: those of "no difference" for
/// themselves, and those of "not equivalent" for themselves.
void correct(const StudyData& data, std::vector<std::vector<Comparison>>& lists) {
  std::vector<Comparison*> family;
  for (auto& list : lists)
    for (Comparison& comparison : list) {
      test_equivalence(data.plan.equivalence, comparison);
      family.push_back(&comparison);
    }
  correct_one(family, &Comparison::p_value, &Comparison::p_holm, holm);
  correct_one(family, &Comparison::p_value, &Comparison::p_false_discovery, benjamini_hochberg);
  correct_one(family, &Comparison::p_equivalence, &Comparison::p_equivalence_holm, holm);
  const auto n = std::count_if(family.begin(), family.end(),
                               [](const Comparison* each) { return each->p_value.has_value(); });
  for (Comparison* comparison : family) {
    comparison->n_declared = std::max<int64_t>(n, 1);
    set_detectable_after_holm(*comparison);
  }
}

bool has_answers(const StudyData& data, const std::vector<Asked>& asked) {
  for (const VariantData& variant : data.variants)
    for (const Asked& each : asked)
      for (const Record* record : answering(variant, each.of))
        if (variant.answers_of(*record, each.of(*record))) return true;
  return false;
}

}  // namespace

std::vector<Comparison> declared_comparisons(const StudyData& data) {
  std::vector<std::vector<Comparison>> out = {compare_pairs(data, nullptr)};
  correct(data, out);
  return out.front();
}

std::vector<std::vector<Comparison>> declared_comparisons(
    const StudyData& data, const std::vector<AskedQuestion>& questions) {
  std::vector<std::vector<Comparison>> out;
  for (const AskedQuestion& question : questions) out.push_back(compare_pairs(data, &question));
  correct(data, out);
  return out;
}

std::vector<AccuracyComparisons> accuracy_comparisons(const StudyData& data) {
  std::vector<AccuracyComparisons> out;
  for (const Asked& asked : asked_of(data)) {
    if (out.empty() || out.back().task != asked.task) out.push_back({asked.task, {}, {}});
    out.back().asked.push_back(asked);
  }
  std::erase_if(out,
                [&](const AccuracyComparisons& task) { return !has_answers(data, task.asked); });
  for (AccuracyComparisons& task : out) {
    for (const Asked& asked : task.asked) {
      auto& list = task.comparisons.emplace_back();
      for (const auto& pair : declared_pairs(data))
        list.push_back(
            compare_accuracies(data.variant(pair.at(0)), data.variant(pair.at(1)), asked.of));
    }
    correct(data, task.comparisons);
  }
  return out;
}

const AccuracyComparisons* find_task(const std::vector<AccuracyComparisons>& all,
                                     const std::string& task) {
  for (const AccuracyComparisons& each : all)
    if (each.task == task) return &each;
  return nullptr;
}

}  // namespace sublab

// Pairs right answers by seed and row.
#include <algorithm>
#include <set>

#include "analysis/study/compare.h"
#include "analysis/study/estimate_difference.h"
#include "analysis/text/format.h"
#include "core/json_text.h"

namespace sublab {
namespace compare_answers {

/// Answers of both variants with the same seed.
struct Pair {
  const Record *record_a, *record_b;
  const AnswerTable *a, *b;
};

json conditions_of(const Record& record, const std::string& id) {
  const RecordedEvaluation* evaluation = record.evaluation(id);
  return evaluation ? evaluation->conditions : json::object();
}

/// Why answers of two trials cannot be paired; "" when they can.
std::string obstacle(const Pair& pair, const EvaluationOf& of) {
  const std::string id_a = of(*pair.record_a), id_b = of(*pair.record_b);
  const json of_a = conditions_of(*pair.record_a, id_a), of_b = conditions_of(*pair.record_b, id_b);
  if (of_a != of_b) return "they were asked with other settings";
  for (const auto& [record, table] :
       {std::pair{pair.record_a, pair.a}, std::pair{pair.record_b, pair.b}})
    if (!table) return "answers per row are missing (arrays/" + record->id + ".npz)";
  if (pair.a->keys != pair.b->keys) return "they were asked other rows";
  for (size_t r = 0; r < pair.a->rows.size(); ++r)
    if (pair.a->rows[r].tokens != pair.b->rows[r].tokens)
      return "they were asked other questions of a row";
  return "";
}

std::vector<Pair> pairs_of(const VariantData& a, const VariantData& b, const EvaluationOf& of,
                           Comparison& out) {
  std::vector<Pair> pairs;
  for (const Record* own : answering(a, of))
    for (const Record* other : answering(b, of)) {
      if (own->seed != other->seed) continue;
      const Pair pair{.record_a = own,
                      .record_b = other,
                      .a = a.answers_of(*own, of(*own)),
                      .b = b.answers_of(*other, of(*other))};
      const std::string why_not = obstacle(pair, of);
      if (why_not.empty()) {
        pairs.push_back(pair);
        continue;
      }
      out.left_out.push_back("seed " + std::to_string(own->seed) + ": " + why_not);
      if (out.reason.empty()) out.reason = why_not;
    }
  if (pairs.empty() && out.reason.empty()) out.reason = "no seed answered in both";
  return pairs;
}

/// Whether each seed has rows that no other has; nothing where some are shared and some are not.
std::optional<bool> have_own_rows(const std::vector<Pair>& pairs) {
  const auto same = [&](const Pair& pair) { return pair.a->keys == pairs.front().a->keys; };
  if (std::all_of(pairs.begin(), pairs.end(), same)) return false;
  std::set<uint64_t> seen;
  for (const Pair& pair : pairs) {
    const std::set<uint64_t> own(pair.a->keys.begin(), pair.a->keys.end());
    for (const uint64_t key : own)
      if (!seen.insert(key).second) return std::nullopt;
  }
  return true;
}

}  // namespace compare_answers

Comparison compare_accuracies(const VariantData& a, const VariantData& b, const EvaluationOf& of) {
  Comparison out;
  out.a = a.name, out.b = b.name, out.unit = DifferenceUnit::accuracy;
  const std::vector<compare_answers::Pair> pairs = compare_answers::pairs_of(a, b, of, out);
  if (pairs.empty()) return out;
  const auto own_rows = compare_answers::have_own_rows(pairs);
  if (!own_rows) {
    out.reason = "the seeds share some of their rows and not others";
    return out;
  }
  out.own_rows = *own_rows;
  std::vector<std::vector<DocumentSum>> per_seed;
  std::vector<int64_t> seeds;
  for (const compare_answers::Pair& pair : pairs) {
    per_seed.push_back(differences(pair.a->rows, pair.b->rows));
    seeds.push_back(pair.record_a->seed);
    out.records.insert(out.records.end(), {pair.record_a->id, pair.record_b->id});
  }
  out.n_documents = static_cast<int64_t>(per_seed.front().size());
  for (const DocumentSum& row : per_seed.front()) out.n_tokens += row.tokens;
  if (out.n_tokens == 0) {
    out.reason = "no question was asked";
    return out;
  }
  out.possible = true;
  estimate_difference(per_seed, seeds, out);
  return out;
}

}  // namespace sublab

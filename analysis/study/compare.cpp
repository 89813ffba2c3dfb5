// Pairs losses by seed and document, and says what their difference allows.
#include "analysis/study/compare.h"

#include <map>
#include <numbers>

#include "analysis/study/estimate_difference.h"
#include "analysis/text/format.h"
#include "core/json_text.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace {

/// Losses of both variants with the same seed.
struct Pair {
  const Record *record_a, *record_b;
  std::string id_a, id_b;  ///< of the evaluations
  const DocumentLossTable *a, *b;
  std::string refused;  ///< why the losses of one do not count, or ""
};

/// "split validation, window 32": what a loss depends on beside weights and documents.
std::string evaluated_with(const Record& record, const std::string& id, const json& other) {
  const RecordedEvaluation* evaluation = record.evaluation(id);
  std::vector<std::string> parts;
  if (evaluation)
    for (const auto& [key, value] : evaluation->conditions.items())
      if (value != other.value(key, json())) parts.push_back(key + " " + unquoted(value));
  return join(parts);
}

json conditions_of(const Record& record, const std::string& id) {
  const RecordedEvaluation* evaluation = record.evaluation(id);
  return evaluation ? evaluation->conditions : json::object();
}

/// Why a trial has no losses per document of an evaluation; without id it was not asked.
std::string why_no_losses(const Record& record, const std::string& id, bool asked_by_question) {
  if (id.empty() && asked_by_question) return record.variant + " was not asked";
  if (!record.find_in(id, metric::kLossNats)) return record.variant + ": no loss was measured";
  return "losses per document are missing (arrays/" + record.id + ".npz)";
}

/// Why losses of two trials cannot be paired; "" when they can.
std::string obstacle(const Pair& pair, DifferenceUnit unit, bool asked_by_question) {
  if (!pair.refused.empty()) return pair.refused;
  if (!pair.a) return why_no_losses(*pair.record_a, pair.id_a, asked_by_question);
  if (!pair.b) return why_no_losses(*pair.record_b, pair.id_b, asked_by_question);
  const json of_a = conditions_of(*pair.record_a, pair.id_a),
             of_b = conditions_of(*pair.record_b, pair.id_b);
  if (of_a != of_b)
    return "they were evaluated with other settings: " +
           evaluated_with(*pair.record_a, pair.id_a, of_b) + ", and " +
           evaluated_with(*pair.record_b, pair.id_b, of_a);
  if (unit == DifferenceUnit::bits_per_byte) {
    for (const auto& [record, id] :
         {std::pair{pair.record_a, pair.id_a}, {pair.record_b, pair.id_b}})
      if (const Metric* bits = record->find_in(id, metric::kBitsPerByte); !bits || !bits->value)
        return "bits per byte: " + (bits ? bits->note : "not measured");
    return "";
  }
  const auto hash = [](const Record* r) { return r->provenance.value("tokenizer_hash", ""); };
  if (hash(pair.record_a) != hash(pair.record_b))
    return "the tokenizers differ; bits per byte can be compared, losses per token cannot";
  if (pair.a->keys != pair.b->keys) return "the validation documents differ";
  return "";
}

/// a - b in nats per token, or in bits per byte over the documents that both scored to the same
/// byte.
std::vector<DocumentSum> paired(const Pair& pair, DifferenceUnit unit) {
  if (unit == DifferenceUnit::nats_per_token) return differences(pair.a->sums, pair.b->sums);
  std::map<uint64_t, size_t> place;
  for (size_t d = 0; d < pair.b->keys.size(); ++d) place[pair.b->keys[d]] = d;
  std::vector<DocumentSum> out;
  for (size_t d = 0; d < pair.a->keys.size(); ++d) {
    const auto other = place.find(pair.a->keys[d]);
    const bool counted = pair.a->bytes[d] > 0;  // 0: the tokenizer does not give its text back
    if (other == place.end() || !counted || pair.a->bytes[d] != pair.b->bytes[other->second])
      continue;
    const double nats = pair.a->sums[d].loss - pair.b->sums[other->second].loss;
    out.push_back({nats / std::numbers::ln2, pair.a->bytes[d]});
  }
  return out;
}

/// The evaluation of a record that is asked for.
std::string answered_in(const AskedQuestion* question, const Record& record) {
  return question ? answer_to(*question, record) : record.headline();
}

std::vector<Pair> pairs_of(const VariantData& a, const VariantData& b,
                           const AskedQuestion* question, Comparison& out) {
  std::vector<Pair> pairs;
  const auto refused = [](const VariantData& variant, const Record* record,
                          const std::string& otherwise) {
    const auto found = variant.refused.find(record->id);
    return found == variant.refused.end() ? otherwise : found->second;
  };
  for (const Record* own : a.good())
    for (const Record* other : b.good()) {
      if (own->seed != other->seed) continue;
      const std::string id_a = answered_in(question, *own), id_b = answered_in(question, *other);
      const Pair pair{.record_a = own,
                      .record_b = other,
                      .id_a = id_a,
                      .id_b = id_b,
                      .a = a.losses_of(*own, id_a),
                      .b = b.losses_of(*other, id_b),
                      .refused = refused(a, own, refused(b, other, ""))};
      std::string why_not = obstacle(pair, out.unit, question != nullptr);
      if (why_not.empty() && !pairs.empty() && pair.a->keys != pairs.front().a->keys)
        why_not =
            "it scored other documents than seed " + std::to_string(pairs.front().record_a->seed);
      if (why_not.empty()) {
        pairs.push_back(pair);
        continue;
      }
      out.left_out.push_back("seed " + std::to_string(own->seed) + ": " + why_not);
      if (out.reason.empty()) out.reason = why_not;
    }
  if (pairs.empty() && out.reason.empty()) out.reason = "no seed ended well in both";
  return pairs;
}

}  // namespace

Comparison compare_losses(const VariantData& a, const VariantData& b, DifferenceUnit unit,
                          const AskedQuestion* question) {
  Comparison out;
  out.a = a.name, out.b = b.name, out.unit = unit;
  const auto pairs = pairs_of(a, b, question, out);
  if (pairs.empty()) return out;
  std::vector<std::vector<DocumentSum>> per_seed;
  std::vector<int64_t> seeds;
  for (const Pair& pair : pairs) {
    per_seed.push_back(paired(pair, unit));
    out.records.push_back(pair.record_a->id);
    out.records.push_back(pair.record_b->id);
    seeds.push_back(pair.record_a->seed);
  }
  out.n_documents = static_cast<int64_t>(per_seed.front().size());
  for (const auto& documents : per_seed)
    if (documents.size() != per_seed.front().size() || documents.empty()) {
      out.reason = "no document was scored to the same byte by both";
      return out;
    }
  out.possible = true;
  for (const DocumentSum& document : per_seed.front()) out.n_tokens += document.tokens;
  estimate_difference(per_seed, seeds, out);
  return out;
}

Comparison compare_losses_in_any_unit(const VariantData& a, const VariantData& b,
                                      const AskedQuestion* question) {
  const Comparison in_nats = compare_losses(a, b, DifferenceUnit::nats_per_token, question);
  if (in_nats.possible) return in_nats;
  const Comparison in_bits = compare_losses(a, b, DifferenceUnit::bits_per_byte, question);
  return in_bits.possible ? in_bits : in_nats;
}

std::string too_little_text(const VariantData& variant) {
  for (const Record* record : variant.good())
    if (const DocumentLossTable* table = variant.losses_of(*record, record->headline()))
      if (const std::string why = too_few_clusters(effective_documents(table->sums), "documents");
          !why.empty())
        return why;
  return "";
}

Estimate variant_loss(const VariantData& variant, const AskedQuestion* question) {
  const DocumentLossTable* first = nullptr;
  std::vector<std::vector<DocumentSum>> per_seed;
  for (const Record* record : variant.good()) {
    const auto* table = variant.losses_of(*record, answered_in(question, *record));
    if (!table) continue;
    if (!first) first = table;
    if (table->keys == first->keys) per_seed.push_back(table->sums);
  }
  if (per_seed.empty()) return {};
  Estimate out =
      per_seed.size() == 1 ? mean_loss(per_seed[0]) : mean_over_seeds_and_documents(per_seed);
  if (out.interval) out.interval->low = std::max(out.interval->low, 0.0);
  return out;
}

}  // namespace sublab

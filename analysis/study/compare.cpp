// Pairs losses by seed and document, and says what their difference allows.
#include "analysis/study/compare.h"

#include <cmath>
#include <map>
#include <numbers>

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
std::string obstacle(const Pair& pair, LossUnit unit, bool asked_by_question) {
  if (!pair.refused.empty()) return pair.refused;
  if (!pair.a) return why_no_losses(*pair.record_a, pair.id_a, asked_by_question);
  if (!pair.b) return why_no_losses(*pair.record_b, pair.id_b, asked_by_question);
  const json of_a = conditions_of(*pair.record_a, pair.id_a),
             of_b = conditions_of(*pair.record_b, pair.id_b);
  if (of_a != of_b)
    return "they were evaluated with other settings: " +
           evaluated_with(*pair.record_a, pair.id_a, of_b) + ", and " +
           evaluated_with(*pair.record_b, pair.id_b, of_a);
  if (unit == LossUnit::bits_per_byte) {
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
std::vector<DocumentSum> paired(const Pair& pair, LossUnit unit) {
  if (unit == LossUnit::nats_per_token) return differences(pair.a->sums, pair.b->sums);
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

/// What a design has drawn: errors as they are expected to be, freed of their bias.
struct Design {
  double seeds = 1, seed_spread = 0;
  double documents = 0, document_error = 0;

  /// The part of the smallest detectable difference that seeds, or documents, are to blame for.
  double of_seeds() const {
    return seeds < 2 ? 0 : seed_spread / std::sqrt(seeds) * student_detectable(seeds - 1);
  }
  double of_documents() const {
    return document_error * student_detectable(std::max(documents - 1, 1.0));
  }
  double detectable() const { return std::hypot(of_seeds(), of_documents()); }

  Design with_seeds(double n) const { return {n, seed_spread, documents, document_error}; }
  /// With so many times as much text of the same kind.
  Design with_text(double times) const {
    return {seeds, seed_spread, documents * times, document_error / std::sqrt(times)};
  }
};

Design design_of(const Comparison& c) {
  const auto seeds = static_cast<double>(c.n_seeds);
  Design out{seeds, 0, c.difference.clusters, c.document_error};
  if (seeds > 1) out.seed_spread = c.seed_error * std::sqrt(seeds) / student_error_bias(seeds - 1);
  return out;
}

void estimate(const std::vector<std::vector<DocumentSum>>& per_seed, Comparison& out) {
  const bool one = per_seed.size() == 1;
  out.difference = one ? mean_loss(per_seed[0]) : mean_over_seeds_and_documents(per_seed);
  if (!out.difference.interval) return;
  if (one) {
    out.document_error = error_over_documents(per_seed[0]);
    out.p_value = sign_flip_p_value(per_seed[0]);
  } else {
    std::vector<double> means;
    for (const auto& documents : per_seed) means.push_back(loss_per_token(documents));
    out.seed_error = error_over_seeds(means);
    out.document_error = error_of_documents_beside_seeds(per_seed);
    out.p_value = seeds_and_documents_p_value(out.difference.value, out.seed_error,
                                              static_cast<double>(means.size()), out.document_error,
                                              out.difference.clusters);
  }
  out.smallest_detectable = design_of(out).detectable();
}

std::string rounded(double value) { return si_text(std::stod(significant(value, 2))); }

constexpr double kMostSeeds = 100, kMostTimes = 1000;

/// The fewest seeds with which `reached` holds; 0 where even kMostSeeds are too few.
template <class Reached>
double seeds_until(const Design& design, const Reached& reached) {
  for (double n = design.seeds + 1; n <= kMostSeeds; ++n)
    if (reached(design.with_seeds(n))) return n;
  return 0;
}

/// The least text, in times what there is, with which `reached` holds; 0 where none will do.
template <class Reached>
double text_until(const Design& design, const Reached& reached) {
  for (double times = 1.05; times <= kMostTimes; times *= 1.05)
    if (reached(design.with_text(times))) return times;
  return 0;
}

}  // namespace

std::string target_of(int64_t n_seeds) { return n_seeds > 1 ? "the recipe" : "these checkpoints"; }

std::string Comparison::target() const { return target_of(n_seeds); }

bool Comparison::clear() const {
  return possible && difference.interval && p_holm && *p_holm < 0.05 &&
         !difference.interval->contains(0);
}

std::string Comparison::verdict() const {
  if (!possible) return "";
  if (!clear()) return "unclear";
  return difference.value < 0 ? "better" : "worse";
}

std::string Comparison::verdict_text() const {
  const std::string word = verdict();
  if (word != "unclear" || !difference.interval || difference.interval->contains(0)) return word;
  return *p_value < 0.05 ? "unclear after correction (p = " + fixed(*p_holm, 3) + ", Holm)"
                         : "unclear (p = " + fixed(*p_value, 3) + ", the interval is approximate)";
}

const char* Comparison::unit_text() const {
  return unit == LossUnit::nats_per_token ? "nats per token" : "bits per byte";
}

std::string Comparison::to_settle() const {
  if (!possible || !smallest_detectable || *smallest_detectable <= std::abs(difference.value))
    return "";
  const double target = std::abs(difference.value);
  const Design design = design_of(*this);
  const std::string unit = this->unit == LossUnit::nats_per_token ? "tokens" : "bytes";
  const auto seeds_text = [&](double n) {
    const auto more = static_cast<int64_t>(n - design.seeds);
    return std::to_string(more) + (more == 1 ? " more seed" : " more seeds");
  };
  const auto more_text = [&](double times) {
    return rounded((times - 1) * n_tokens) + " more " + unit + " of text";
  };
  const auto enough = [&](const Design& d) { return d.detectable() <= target; };
  // More of what varies most; of the other where that alone is not enough; else of both.
  const double seeds = n_seeds > 1 ? seeds_until(design, enough) : 0,
               times = text_until(design, enough);
  if (seeds > 0 && (times == 0 || design.of_seeds() >= design.of_documents()))
    return "about " + seeds_text(seeds);
  if (times > 0) return "about " + more_text(times);
  const double share = target / std::numbers::sqrt2;
  const double both_seeds =
      n_seeds > 1 ? seeds_until(design, [&](const Design& d) { return d.of_seeds() <= share; }) : 0;
  const double both_times =
      text_until(design, [&](const Design& d) { return d.of_documents() <= share; });
  if (both_seeds > 0 && both_times > 0)
    return "about " + seeds_text(both_seeds) + " and " + more_text(both_times);
  return "more than " + (n_seeds > 1 ? rounded(kMostSeeds) + " seeds and " : std::string()) +
         rounded(kMostTimes * n_tokens) + " " + unit;
}

Comparison compare_losses(const VariantData& a, const VariantData& b, LossUnit unit,
                          const AskedQuestion* question) {
  Comparison out;
  out.a = a.name, out.b = b.name, out.unit = unit;
  const auto pairs = pairs_of(a, b, question, out);
  if (pairs.empty()) return out;
  std::vector<std::vector<DocumentSum>> per_seed;
  for (const Pair& pair : pairs) {
    per_seed.push_back(paired(pair, unit));
    out.records.push_back(pair.record_a->id);
    out.records.push_back(pair.record_b->id);
  }
  out.n_seeds = static_cast<int64_t>(pairs.size());
  out.n_documents = static_cast<int64_t>(per_seed.front().size());
  for (const auto& documents : per_seed)
    if (documents.size() != per_seed.front().size() || documents.empty()) {
      out.reason = "no document was scored to the same byte by both";
      return out;
    }
  out.possible = true;
  for (const DocumentSum& document : per_seed.front()) out.n_tokens += document.tokens;
  estimate(per_seed, out);
  out.p_holm = out.p_false_discovery = out.p_value;
  return out;
}

Comparison compare_losses_in_any_unit(const VariantData& a, const VariantData& b,
                                      const AskedQuestion* question) {
  const Comparison in_nats = compare_losses(a, b, LossUnit::nats_per_token, question);
  if (in_nats.possible) return in_nats;
  const Comparison in_bits = compare_losses(a, b, LossUnit::bits_per_byte, question);
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

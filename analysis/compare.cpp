#include "analysis/compare.h"

#include <cmath>
#include <map>
#include <numbers>

#include "analysis/format.h"

namespace sublab {
namespace {

/// Losses of both variants with the same seed.
struct Pair {
  const Record *record_a, *record_b;
  const DocumentLossTable *a, *b;
};

/// Why losses of two trials cannot be paired; "" when they can.
std::string obstacle(const Pair& pair, LossUnit unit) {
  if (!pair.a || !pair.b)
    return "losses per document are missing (arrays/" +
           (pair.a ? pair.record_b : pair.record_a)->id + ")";
  if (unit == LossUnit::bits_per_byte) {
    for (const Record* record : {pair.record_a, pair.record_b})
      if (const Metric* bits = record->find("valid_bits_per_byte"); !bits || !bits->value)
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
    if (other == place.end() || pair.a->bytes[d] != pair.b->bytes[other->second]) continue;
    const double nats = pair.a->sums[d].loss - pair.b->sums[other->second].loss;
    out.push_back({nats / std::numbers::ln2, pair.a->bytes[d]});
  }
  return out;
}

std::vector<Pair> pairs_of(const VariantData& a, const VariantData& b, LossUnit unit,
                           std::string& reason) {
  std::vector<Pair> pairs;
  const auto losses = [](const VariantData& variant, const Record* record) {
    const auto found = variant.losses.find(record->id);
    return found == variant.losses.end() ? nullptr : &found->second;
  };
  for (const Record* own : a.good())
    for (const Record* other : b.good()) {
      if (own->seed != other->seed) continue;
      const Pair pair{own, other, losses(a, own), losses(b, other)};
      const std::string why_not = obstacle(pair, unit);
      if (why_not.empty()) pairs.push_back(pair);
      if (reason.empty()) reason = why_not;
    }
  if (pairs.empty() && reason.empty()) reason = "no seed ended well in both";
  return pairs;
}

double mean_of(const std::vector<DocumentSum>& documents) {
  double loss = 0, tokens = 0;
  for (const DocumentSum& sum : documents) loss += sum.loss, tokens += sum.tokens;
  return loss / tokens;
}

std::vector<DocumentSum> mean_of_seeds(const std::vector<std::vector<DocumentSum>>& per_seed) {
  std::vector<DocumentSum> out = per_seed.front();
  for (size_t d = 0; d < out.size(); ++d) {
    out[d].loss = 0;
    for (const auto& documents : per_seed)
      out[d].loss += documents[d].loss / static_cast<double>(per_seed.size());
  }
  return out;
}

/// t at 0.975 and at the power of 8 in 10, of seeds and of documents.
double detectable(double seed_error, double seeds, double document_error, double documents) {
  const auto factor = [](double freedom) {
    return student_quantile(0.975, freedom) + student_quantile(0.8, freedom);
  };
  const double over_documents = document_error * factor(std::max(documents - 1, 1.0));
  return seeds < 2 ? over_documents : std::hypot(seed_error * factor(seeds - 1), over_documents);
}

void estimate(const std::vector<std::vector<DocumentSum>>& per_seed, Comparison& out) {
  const auto over_documents = mean_of_seeds(per_seed);
  out.document_error = error_over_documents(over_documents);
  if (per_seed.size() == 1) {
    out.difference = mean_loss(per_seed[0]);
    out.p_value = sign_flip_p_value(per_seed[0]);
  } else {
    std::vector<double> means;
    for (const auto& documents : per_seed) means.push_back(mean_of(documents));
    out.seed_error = error_over_seeds(means);
    out.difference = mean_over_seeds_and_documents(per_seed);
    out.p_value = seeds_and_documents_p_value(out.difference.value, out.seed_error,
                                              static_cast<double>(means.size()), out.document_error,
                                              out.difference.clusters);
  }
  out.smallest_detectable = detectable(out.seed_error, static_cast<double>(out.n_seeds),
                                       out.document_error, out.difference.clusters);
}

std::string rounded(double value) { return si_text(std::stod(significant(value, 2))); }

}  // namespace

std::string Comparison::target() const { return n_seeds > 1 ? "the recipe" : "these checkpoints"; }

std::string Comparison::verdict() const {
  if (!possible) return "";
  if (!difference.reliable) return "unreliable";
  if (p_holm >= 0.05 || difference.interval.contains(0)) return "unclear";
  return difference.value < 0 ? "better" : "worse";
}

const char* Comparison::unit_text() const {
  return unit == LossUnit::nats_per_token ? "nats per token" : "bits per byte";
}

std::string Comparison::to_settle() const {
  if (!possible || smallest_detectable <= std::abs(difference.value)) return "";
  if (difference.value == 0) return "no number of seeds or tokens: the losses are equal";
  const double target = std::abs(difference.value);
  constexpr int64_t kMostSeeds = 100;
  // More seeds shrink what they draw; the documents' part stays.
  if (n_seeds > 1) {
    const double spread = seed_error * std::sqrt(static_cast<double>(n_seeds));
    for (int64_t seeds = n_seeds + 1; seeds <= kMostSeeds; ++seeds)
      if (detectable(spread / std::sqrt(static_cast<double>(seeds)), static_cast<double>(seeds),
                     document_error, difference.clusters) <= target)
        return "about " + std::to_string(seeds - n_seeds) +
               (seeds - n_seeds == 1 ? " more seed" : " more seeds");
  }
  // More documents of the same kind shrink the documents' part.
  constexpr double kMostTimes = 1000;
  for (double times = 1.1; times <= kMostTimes; times *= 1.1)
    if (detectable(seed_error, static_cast<double>(n_seeds), document_error / std::sqrt(times),
                   difference.clusters * times) <= target)
      return "about " + rounded((times - 1) * n_tokens) +
             (unit == LossUnit::nats_per_token ? " more tokens of text" : " more bytes of text");
  return "more than " + std::to_string(kMostSeeds) + " seeds or " + rounded(kMostTimes * n_tokens) +
         " tokens";
}

Comparison compare_losses(const VariantData& a, const VariantData& b, LossUnit unit) {
  Comparison out;
  out.a = a.name, out.b = b.name, out.unit = unit;
  const auto pairs = pairs_of(a, b, unit, out.reason);
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

Comparison compare_losses_in_any_unit(const VariantData& a, const VariantData& b) {
  const Comparison in_nats = compare_losses(a, b, LossUnit::nats_per_token);
  if (in_nats.possible) return in_nats;
  const Comparison in_bits = compare_losses(a, b, LossUnit::bits_per_byte);
  return in_bits.possible ? in_bits : in_nats;
}

std::vector<Comparison> declared_comparisons(const StudyData& data) {
  std::vector<Comparison> out;
  std::vector<double> p_values;
  auto pairs = data.plan.comparisons;
  if (pairs.empty())
    for (const VariantData& variant : data.variants)
      if (variant.name != data.plan.compare_to)
        pairs.push_back({variant.name, data.plan.compare_to});
  for (const auto& pair : pairs) {
    out.push_back(compare_losses_in_any_unit(data.variant(pair.at(0)), data.variant(pair.at(1))));
    if (out.back().possible) p_values.push_back(out.back().p_value);
  }
  const auto family = holm(p_values), discovery = benjamini_hochberg(p_values);
  size_t next = 0;
  for (Comparison& comparison : out) {
    if (!comparison.possible) continue;
    comparison.p_holm = family[next];
    comparison.p_false_discovery = discovery[next++];
  }
  return out;
}

Estimate variant_loss(const VariantData& variant) {
  std::vector<std::vector<DocumentSum>> per_seed;
  for (const Record* record : variant.good()) {
    const auto found = variant.losses.find(record->id);
    if (found == variant.losses.end()) continue;
    if (per_seed.empty() || per_seed[0].size() == found->second.sums.size())
      per_seed.push_back(found->second.sums);
  }
  if (per_seed.empty()) return {};
  return per_seed.size() == 1 ? mean_loss(per_seed[0]) : mean_over_seeds_and_documents(per_seed);
}

}  // namespace sublab

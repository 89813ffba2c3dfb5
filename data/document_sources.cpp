// Orders, coins and budgets of documents (data/document_sources.h).
#include "data/document_sources.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace sublab {

std::vector<DocumentSpan> whole_documents(const TokenShard& shard,
                                          const std::vector<int64_t>& documents) {
  std::vector<DocumentSpan> out;
  for (const int64_t document : documents) out.push_back({document, 0, shard.n_tokens(document)});
  return out;
}

std::vector<double> tokens_by_source(const TokenShard& shard,
                                     const std::vector<int64_t>& documents) {
  std::vector<double> out;
  for (const int64_t document : documents) {
    const auto source = static_cast<size_t>(shard.source(document));
    if (out.size() <= source) out.resize(source + 1);
    out[source] += static_cast<double>(shard.n_tokens(document));
  }
  return out;
}

std::vector<int64_t> LengthCoin::taken(const TokenShard& shard,
                                       const std::vector<int64_t>& documents, uint64_t seed,
                                       int64_t epoch) const {
  std::vector<int64_t> out;
  for (const int64_t document : documents) {
    const uint64_t coin = stream_key(seed, "short_documents", static_cast<uint64_t>(epoch),
                                     mix_bits(shard.key(document)));
    if (shard.n_tokens(document) >= long_document_tokens ||
        unit_interval(coin) < short_document_probability)
      out.push_back(document);
  }
  return out;
}

void LengthCoin::check(const TokenShard& shard, const std::vector<int64_t>& documents,
                       const std::string& whose, const std::string& where) const {
  int64_t n_long = 0, longest = 0;
  for (const int64_t document : documents) {
    const int64_t n = shard.n_tokens(document);
    n_long += n >= long_document_tokens;
    longest = std::max(longest, n);
  }
  if (n_long >= min_long_documents) return;
  throw UserError(where + "/long_document_tokens",
                  whose + " has " + std::to_string(n_long) + " documents of " +
                      std::to_string(long_document_tokens) + " tokens or more, of " +
                      std::to_string(documents.size()) + " (the longest has " +
                      std::to_string(longest) + "); min_long_documents asks for " +
                      std::to_string(min_long_documents));
}

void Mixture::check(const json& given, const std::string& path) {
  if (given.is_string())
    return fields_detail::check_name(path, given, one_of({"natural", "uniform"}));
  if (!given.is_object())
    fields_detail::throw_type(path, "\"natural\", \"uniform\", or an object of weights", given);
  double sum = 0;
  for (const auto& [name, weight] : given.items()) {
    double value = 0;
    fields_detail::read_value(weight, path + "/" + name, value, within(0, 1e12));
    sum += value;
  }
  if (sum <= 0) throw UserError(path, "has no weight above 0");
}

Mixture::Mixture(const json& given, const SamplingContext& context)
    : given_(given), sources_(context.sources), where_(context.where + "/mixture") {
  if (!given.is_object()) return;
  for (const auto& [name, weight] : given.items())
    if (std::find(sources_.begin(), sources_.end(), name) == sources_.end())
      throw_unknown_name(where_, "source", name, sources_);
  for (const std::string& name : sources_)
    if (!given.contains(name))
      throw UserError(where_,
                      "lacks '" + name + "'; it gives the weight of every corpus of data.corpus");
}

std::string Mixture::name_of(int64_t source) const {
  const auto i = static_cast<size_t>(source);
  return i < sources_.size() ? "source '" + sources_[i] + "'" : "source " + std::to_string(source);
}

std::vector<double> Mixture::weights(const TokenShard& shard,
                                     const std::vector<int64_t>& all) const {
  std::vector<double> out = tokens_by_source(shard, all);
  if (given_ == "natural") return out;
  for (size_t source = 0; source < out.size(); ++source)
    out[source] = given_.is_object() ? given_.at(sources_.at(source)).get<double>() : 1.0;
  return out;
}

std::vector<int64_t> Mixture::within_budgets(const TokenShard& shard,
                                             const std::vector<int64_t>& documents,
                                             const std::vector<int64_t>& all, int64_t epoch) const {
  std::vector<double> budgets = weights(shard, all), there = tokens_by_source(shard, documents);
  there.resize(budgets.size());
  double scale = INFINITY;  // tokens of a source per weight, as the scarcest one has them
  for (size_t source = 0; source < budgets.size(); ++source) {
    if (budgets[source] <= 0) continue;
    if (there[source] <= 0 && epoch == 0)
      throw UserError(where_, name_of(static_cast<int64_t>(source)) +
                                  " has a share of the mixture, and no document was taken of it");
    scale = std::min(scale, there[source] / budgets[source]);
  }
  constexpr double kRounding = 0.25;  // tokens
  std::vector<double> taken(budgets.size());
  std::vector<bool> ended(budgets.size());
  std::vector<int64_t> out;
  for (const int64_t document : documents) {
    const auto source = static_cast<size_t>(shard.source(document));
    const auto n = static_cast<double>(shard.n_tokens(document));
    // Once it has ended, shorter documents are not taken either: they would come more often.
    ended[source] = ended[source] || taken[source] + n / 2 > scale * budgets[source] + kRounding;
    if (ended[source]) continue;
    taken[source] += n;
    out.push_back(document);
  }
  return out;
}

}  // namespace sublab

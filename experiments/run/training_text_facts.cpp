// Shares and distances of training rows (experiments/run/training_text_facts.h).
#include "experiments/run/training_text_facts.h"

#include <algorithm>

#include "core/kind.h"
#include "core/schema/arrays.h"
#include "core/schema/metrics.h"
#include "data/training_text.h"

namespace sublab {
namespace training_text_facts {

void add(const char* name, double of, double among, const json& conditions, Record& record) {
  const bool any = among > 0;
  record.metrics.push_back(
      {name, any ? std::optional(of / among) : std::nullopt, conditions, any ? "" : "no token"});
}

void add_shares(const SourceTokens& tokens, const std::vector<std::string>& sources,
                int64_t long_from, bool sampled, Record& record) {
  const auto about = [&](const std::string& source) {
    return json{{condition::kSource, source},
                {condition::kSampled, sampled},
                {"long_document_tokens", long_from}};
  };
  for (size_t s = 0; s < sources.size(); ++s) {
    const double n = s < tokens.all.size() ? tokens.all[s] : 0;
    add(metric::kSourceTokens, n, tokens.total(), about(sources[s]), record);
    add(metric::kLongDocuments, n > 0 ? tokens.of_long[s] : 0, n, about(sources[s]), record);
  }
  add(metric::kLongDocuments, tokens.total_of_long(), tokens.total(), about(condition::kAllSources),
      record);
}

void add_distances(const PackedDocuments& rows, int64_t n_rows, NpyMembers& arrays,
                   Record& record) {
  constexpr size_t kMostBuckets = 256;
  const std::vector<double> counts = distances_of_rows(rows, n_rows).counts();
  double pairs = 0, beyond = 0, unseen = 0, longest = 0;
  for (size_t d = 1; d < counts.size(); ++d) {
    pairs += counts[d];
    if (static_cast<int64_t>(d) >= rows.context_len()) beyond += counts[d];
    if (counts[d] > 0)
      longest = static_cast<double>(d);
    else
      ++unseen;
  }
  const json limit = {{"positions_below", rows.positions_below()}};
  add(metric::kDistancesUnseen, unseen, static_cast<double>(counts.size()) - 1, limit, record);
  add(metric::kPairsBeyondRow, beyond, pairs, limit, record);
  record.metrics.push_back({metric::kLongestDistance, longest, limit});
  // Buckets of equal width over 1, ..., limit - 1.
  const size_t n = counts.size() - 1, width = (n + kMostBuckets - 1) / kMostBuckets;
  std::vector<double> buckets;
  for (size_t first = 1; first <= n; first += width) {
    const size_t end = std::min(first + width, n + 1);
    double sum = 0;
    for (size_t d = first; d < end; ++d) sum += counts[d];
    buckets.insert(buckets.end(), {static_cast<double>(end), sum});
  }
  const auto n_buckets = static_cast<int64_t>(buckets.size() / array::kDistanceColumns);
  arrays[array::kRelativeDistances] = npy_array(buckets, {n_buckets, array::kDistanceColumns});
}

}  // namespace training_text_facts

void add_training_text(const PackedDocuments& rows, int64_t n_rows, const DataConfig& data,
                       NpyMembers& arrays, Record& record) {
  namespace detail = training_text_facts;
  if (n_rows == 0) return;  // nothing was trained
  if (chosen_type(data.sampling) != "plain") {
    const int64_t long_from = rows.long_document_tokens();
    detail::add_shares(tokens_before_sampling(rows), data.corpus, long_from, false, record);
    detail::add_shares(tokens_of_rows(rows, n_rows), data.corpus, long_from, true, record);
  }
  if (chosen_type(data.positions) != "contiguous")
    detail::add_distances(rows, n_rows, arrays, record);
}

}  // namespace sublab

// The sample depends on the corpora alone.
#include "data/document_sample.h"

#include <algorithm>
#include <unordered_set>

#include "data/corpus.h"

namespace sublab {

std::vector<SampledDocument> sampled_documents(const std::vector<std::string>& corpora, Split split,
                                               int64_t bytes_per_source) {
  std::vector<SampledDocument> out;
  std::unordered_set<uint64_t> seen;
  for (size_t source = 0; source < corpora.size(); ++source) {
    std::vector<SampledDocument> documents;
    read_documents(corpora[source], split, [&](std::string_view text) {
      documents.push_back({std::string(text), document_key(text), source, 0});
    });
    std::sort(documents.begin(), documents.end(),
              [](const auto& a, const auto& b) { return a.key < b.key; });
    int64_t bytes = 0;
    const size_t first = out.size();
    for (SampledDocument& document : documents) {
      if (bytes_per_source > 0 && bytes >= bytes_per_source) break;
      document.place = static_cast<double>(bytes);
      bytes += static_cast<int64_t>(document.text.size());
      // The same text may stand in two corpora; it counts once.
      if (seen.insert(document.key).second) out.push_back(std::move(document));
    }
    for (size_t i = first; i < out.size(); ++i) out[i].place /= static_cast<double>(bytes);
  }
  // Any beginning of the list holds the sources in their shares.
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.place < b.place; });
  return out;
}

}  // namespace sublab

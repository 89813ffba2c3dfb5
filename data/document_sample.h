// Which documents of some corpora are used.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/text/documents.h"

namespace sublab {

struct SampledDocument {
  std::string text;
  uint64_t key;
  uint64_t source;
  double place;  ///< share of its source's text that stands before it
};

/// Documents of `split`, at most `bytes_per_source` of text of each corpus (0 = all): those with
/// the lowest keys, a sample that depends on the corpora alone. They stand in such an order that
/// any beginning of the list holds the sources in their shares.
std::vector<SampledDocument> sampled_documents(const std::vector<std::string>& corpora, Split split,
                                               int64_t bytes_per_source);

}  // namespace sublab

// A comparison of two variants whose losses were drawn.
#pragma once

#include "analysis/study/compare.h"
#include "tests/analysis/simulation.h"

namespace sublab {

/// What a difference is made of: drawn per seed, per document, and per both.
struct Spread {
  double seed, document, together;
};

inline Comparison simulated_comparison(RandomSequence& random, int seeds, int documents,
                                       double mean, Spread spread) {
  std::vector<DocumentSum> text;
  std::vector<double> own;
  for (int d = 0; d < documents; ++d) {
    text.push_back({300, 40 + std::floor(60 * random.uniform())});
    own.push_back(spread.document * normal(random));
  }
  VariantData a, b;
  a.name = "a", b.name = "b";
  for (int s = 0; s < seeds; ++s) {
    const double seed = spread.seed * normal(random);
    DocumentLossTable table_a, table_b;
    for (size_t d = 0; d < text.size(); ++d) {
      table_a.keys.push_back(d);
      const double drawn = mean + seed + own[d] + spread.together * normal(random);
      table_a.sums.push_back({text[d].loss + text[d].tokens * drawn, text[d].tokens});
    }
    table_b = table_a;
    table_b.sums = text;
    Record record;
    record.seed = s;
    record.id = "a" + std::to_string(s);
    a.losses[record.id][""] = table_a;
    a.records.push_back(record);
    record.id = "b" + std::to_string(s);
    b.losses[record.id][""] = table_b;
    b.records.push_back(record);
  }
  return compare_losses(a, b);
}

}  // namespace sublab

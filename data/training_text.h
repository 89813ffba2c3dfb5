// What training rows are made of, counted: tokens of each source and of long documents, and which
// relative distances position encoding showed.
#pragma once

#include <cstdint>
#include <vector>

#include "data/packing.h"

namespace sublab {

/// Tokens of each source, and how many of them are of documents that are long.
struct SourceTokens {
  std::vector<double> all, of_long;

  void add(int64_t source, bool is_long, double n);
  double total() const;
  double total_of_long() const;
};

/// Of the documents that sampling chooses from, each once.
SourceTokens tokens_before_sampling(const PackedDocuments& rows);

/// Of what the first `n_rows` rows predict. A document counts as long by what sampling gave of it.
SourceTokens tokens_of_rows(const PackedDocuments& rows, int64_t n_rows);

/// How many pairs of a token and one that it sees stand at each relative distance.
class RelativeDistances {
 public:
  /// Distances below `limit` are counted.
  explicit RelativeDistances(int64_t limit);

  /// Adds a row: every run of consecutive positions is one step of work. Cost: runs^2.
  void add(const std::vector<RowPiece>& pieces);
  /// Pairs at distance 0 (not counted: 0), 1, ..., limit - 1.
  std::vector<double> counts() const;

 private:
  struct Run {
    int64_t position, n;
  };
  void add_pairs(const std::vector<Run>& runs);
  void add_second_difference(int64_t at, double change);

  std::vector<double> second_differences_;
};

/// Of the first `n_rows` rows.
RelativeDistances distances_of_rows(const PackedDocuments& rows, int64_t n_rows);

}  // namespace sublab

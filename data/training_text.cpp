// Counting rows (data/training_text.h).
#include "data/training_text.h"

#include <algorithm>
#include <numeric>

namespace sublab {

void SourceTokens::add(int64_t source, bool is_long, double n) {
  const auto place = static_cast<size_t>(source);
  if (all.size() <= place) all.resize(place + 1), of_long.resize(place + 1);
  all[place] += n;
  if (is_long) of_long[place] += n;
}

double SourceTokens::total() const { return std::accumulate(all.begin(), all.end(), 0.0); }
double SourceTokens::total_of_long() const {
  return std::accumulate(of_long.begin(), of_long.end(), 0.0);
}

SourceTokens tokens_before_sampling(const PackedDocuments& rows) {
  SourceTokens out;
  for (const int64_t document : rows.documents()) {
    const int64_t n = rows.shard().n_tokens(document);
    out.add(rows.shard().source(document), n >= rows.long_document_tokens(),
            static_cast<double>(n));
  }
  return out;
}

SourceTokens tokens_of_rows(const PackedDocuments& rows, int64_t n_rows) {
  SourceTokens out;
  for (int64_t i = 0; i < n_rows; ++i)
    rows.visit_spans(i, [&](const DocumentSpan& span, int64_t tokens) {
      out.add(rows.shard().source(span.document),
              span.end - span.begin >= rows.long_document_tokens(), static_cast<double>(tokens));
    });
  return out;
}

RelativeDistances::RelativeDistances(int64_t limit)
    : second_differences_(static_cast<size_t>(limit)) {}

void RelativeDistances::add(const std::vector<RowPiece>& pieces) {
  std::vector<Run> runs;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const RowPiece& piece = pieces[i];
    const bool last = i + 1 == pieces.size();
    const int64_t n = piece.n_places() - last;  // the last place is a label alone
    if (piece.starts_row) {
      add_pairs(runs);
      runs.clear();
    }
    if (!runs.empty() && runs.back().position + runs.back().n == piece.position)
      runs.back().n += n;
    else if (n > 0)
      runs.push_back({piece.position, n});
  }
  add_pairs(runs);
}

void RelativeDistances::add_pairs(const std::vector<Run>& runs) {
  for (size_t i = 0; i < runs.size(); ++i) {
    // Inside a run of n: n - d pairs at distance d, a line that ends at n.
    const auto n = static_cast<double>(runs[i].n);
    add_second_difference(0, n);
    add_second_difference(1, -1 - n);
    add_second_difference(runs[i].n + 1, 1);
    // Between two runs: a trapezoid, from the nearest pair to the farthest.
    for (size_t j = 0; j < i; ++j) {
      const int64_t nearest = runs[i].position - (runs[j].position + runs[j].n - 1);
      add_second_difference(nearest, 1);
      add_second_difference(nearest + runs[i].n, -1);
      add_second_difference(nearest + runs[j].n, -1);
      add_second_difference(nearest + runs[i].n + runs[j].n, 1);
    }
  }
}

void RelativeDistances::add_second_difference(int64_t at, double change) {
  if (at < static_cast<int64_t>(second_differences_.size()))
    second_differences_[static_cast<size_t>(at)] += change;
}

std::vector<double> RelativeDistances::counts() const {
  std::vector<double> out(second_differences_.size());
  double slope = 0, value = 0;
  for (size_t d = 0; d < out.size(); ++d) {
    slope += second_differences_[d];
    value += slope;
    out[d] = value;
  }
  if (!out.empty()) out[0] = 0;
  return out;
}

RelativeDistances distances_of_rows(const PackedDocuments& rows, int64_t n_rows) {
  RelativeDistances out(rows.positions_below());
  for (int64_t i = 0; i < n_rows; ++i) out.add(rows.pieces(i));
  return out;
}

}  // namespace sublab

// Relative distances, counted by runs of positions and one by one.
#include "data/training_text.h"

#include <catch2/catch.hpp>

#include "core/random.h"

using namespace sublab;

TEST_CASE("distances counted by runs are those counted pair by pair", "[unit][context]") {
  constexpr int64_t kLimit = 200;
  RandomSequence random(5);
  RelativeDistances fast(kLimit);
  std::vector<double> slow(kLimit);
  for (int draw = 0; draw < 300; ++draw) {
    std::vector<RowPiece> pieces;
    std::vector<std::vector<int64_t>>
        rows;  // positions of each row that stands in the place of one
    int64_t next = 0;
    for (uint64_t i = 0; i < 1 + random.below(6); ++i) {
      RowPiece piece;
      piece.boundary = random.below(2) == 0;
      piece.end = 1 + static_cast<int64_t>(random.below(12));
      piece.starts_row = i == 0 || random.below(4) == 0;
      if (piece.starts_row) rows.emplace_back(), next = 0;
      piece.position = next + static_cast<int64_t>(random.below(3) * random.below(8));
      for (int64_t p = 0; p < piece.n_places(); ++p) rows.back().push_back(piece.position + p);
      next = rows.back().back() + 1;
      pieces.push_back(piece);
    }
    rows.back().pop_back();  // a label alone
    fast.add(pieces);
    for (const auto& row : rows)
      for (size_t i = 0; i < row.size(); ++i)
        for (size_t j = 0; j < i; ++j)
          if (row[i] - row[j] < kLimit) ++slow[row[i] - row[j]];
  }
  CHECK(fast.counts() == slow);
  CHECK(slow[1] > 0);
}

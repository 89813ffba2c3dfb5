// Ordinals and positions of packed rows: consecutive, permuted, spread, kept.
#include <catch2/catch.hpp>

#include "tests/models/small_models.h"

using namespace sublab;

namespace {

at::Tensor longs(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

}  // namespace

TEST_CASE("rows are consecutive unless ordinals say otherwise", "[unit]") {
  const RowsPtr rows = Rows::contiguous({3, 0, 2}, {5, 1, 0});
  CHECK(rows->consecutive());
  CHECK(rows->ascending());
  CHECK(rows->ordinals().equal(longs({5, 6, 7, 0, 1})));
  CHECK(rows->positions().equal(rows->ordinals()));
  CHECK(rows->ordinal(2, 1) == 1);
  const RowsPtr placed = Rows::with_positions({3}, {4}, longs({9, 20, 40}));
  CHECK(placed->ordinals().equal(longs({4, 5, 6})));
  CHECK(placed->positions().equal(longs({9, 20, 40})));
  CHECK_THROWS(Rows::with_positions({3}, {}, longs({1, 2})));
  CHECK_THROWS(Rows::with_ordinals({3}, longs({1, 2})));
}

TEST_CASE("permuted rows carry ordinals and positions along", "[unit]") {
  const RowsPtr rows = Rows::with_positions({4, 3}, {2, 0}, longs({10, 20, 30, 40, 1, 2, 3}));
  const RowsPtr permuted = rows->permuted(longs({2, 0, 3, 1, 6, 4, 5}));
  CHECK_FALSE(permuted->consecutive());
  CHECK_FALSE(permuted->ascending());
  CHECK(permuted->ordinals().equal(longs({4, 2, 5, 3, 2, 0, 1})));
  CHECK(permuted->positions().equal(longs({30, 10, 40, 20, 3, 1, 2})));
  CHECK(permuted->start(0) == 2);
  CHECK(permuted->start(1) == 0);
  const RowsPtr back = permuted->permuted(permuted->ascending_order());
  CHECK(back->ascending());
  CHECK(back->ordinals().equal(rows->ordinals()));
  CHECK(back->positions().equal(rows->positions()));
  // The share of a rank: some of a row's tokens.
  const RowsPtr share = rows->arranged(longs({0, 3, 5}), {2, 1});
  CHECK(share->ascending());
  CHECK(share->ordinals().equal(longs({2, 5, 1})));
  CHECK(share->start(1) == 1);
  const at::Tensor order = longs({2, 0, 1});
  CHECK(inverse_permutation(order).equal(longs({1, 2, 0})));
}

TEST_CASE("kept tokens count by their ordinals, not by where they lie", "[unit]") {
  const RowsPtr rows = Rows::contiguous({5, 2})->permuted(longs({4, 0, 3, 1, 2, 6, 5}));
  // Kept: ordinals 4, 3, 1 of row 0 and 0 of row 1.
  const RowsPtr kept = rows->keep(longs({0, 2, 3, 6}), {3, 1}, {7, 0});
  CHECK(kept->ordinals().equal(longs({9, 8, 7, 0})));
  CHECK(kept->positions().equal(longs({4, 3, 1, 0})));
  CHECK(rows->keep_places(longs({0, 2, 3, 6}), {3, 1}, {7, 0})
            ->positions()
            .equal(longs({4, 3, 1, 0})));
  const RowsPtr again = kept->keep(longs({0, 2}), {2, 0}, {1, 0});
  CHECK(again->ordinals().equal(longs({2, 1})));
  CHECK(again->positions().equal(longs({4, 1})));
}

TEST_CASE("a device gets its copy of the numbers once", "[unit]") {
  const RowsPtr rows = Rows::contiguous({4, 2});
  const at::Device meta(at::kMeta);
  CHECK(rows->positions(meta).device() == meta);
  CHECK(rows->positions(meta).unsafeGetTensorImpl() == rows->positions(meta).unsafeGetTensorImpl());
}

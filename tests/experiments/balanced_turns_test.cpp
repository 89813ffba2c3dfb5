// Turns that are balanced for the one before.
#include "experiments/measure/balanced_turns.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>

using namespace sublab;

TEST_CASE("each variant stands at each place and follows each other one equally often", "[unit]") {
  for (size_t n = 1; n <= 12; ++n)
    for (const uint64_t key : {1, 2, 77}) {
      INFO(n << " subjects, key " << key);
      const auto turns = balanced_turns(n, key);
      const size_t squares = n % 2 == 0 ? 1 : 2;
      REQUIRE(turns.size() == n * squares);
      std::map<std::pair<size_t, size_t>, size_t> place, follows;
      for (size_t round = 0; round < turns.size(); ++round) {
        REQUIRE(std::set<size_t>(turns[round].begin(), turns[round].end()).size() == n);
        for (size_t i = 0; i < n; ++i) {
          REQUIRE(turns[round][i] < n);
          // Within each square, not over both alone.
          ++place[{turns[round][i], i + n * (round / n)}];
          if (i > 0) ++follows[{turns[round][i - 1], turns[round][i]}];
        }
      }
      CHECK(place.size() == n * n * squares);
      for (const auto& [key, count] : place) CHECK(count == 1);
      CHECK(follows.size() == n * (n - 1));
      for (const auto& [pair, count] : follows) CHECK(count == squares);
    }
  CHECK(balanced_turns(6, 1) != balanced_turns(6, 2));
  CHECK(balanced_turns(6, 1) == balanced_turns(6, 1));
}

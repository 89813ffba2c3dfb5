// Lengths and depths that a task is asked over: the settings that all such tasks share.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "core/fields.h"

namespace sublab {

/// How many tokens, of any length: those of training, or far beyond.
struct LengthGrid {
  std::vector<int64_t> lengths;

  template <class F>
  void fields(F& f) {
    f("lengths", lengths,
      "tokens of prompt and answer together, one or several, beyond training's too; [] = "
      "data.context_len",
      within(2, 1 << 24));
  }
  /// Fills in what is left open. Throws UserError for a length that stands twice.
  void resolve(const std::string& path, int64_t context_len) {
    if (lengths.empty()) lengths = {context_len};
    for (size_t i = 1; i < lengths.size(); ++i)
      if (std::find(lengths.begin(), lengths.begin() + static_cast<std::ptrdiff_t>(i),
                    lengths[i]) != lengths.begin() + static_cast<std::ptrdiff_t>(i))
        throw UserError(path + "/lengths/" + std::to_string(i),
                        std::to_string(lengths[i]) + " stands twice");
  }
};

/// The same with depths of what is asked for, and how many questions a cell has.
struct LengthDepthGrid : LengthGrid {
  std::vector<double> depths;
  int64_t n_per_cell = 10;

  template <class F>
  void fields(F& f) {
    LengthGrid::fields(f);
    f("depths", depths,
      "where in the context it stands, in percent: 0 = first, 100 = last; [] = 0, 25, 50, 75, 100",
      within(0, 100));
    f("n_per_cell", n_per_cell, "questions of each length and depth", within(1, 1 << 20));
  }
  void resolve(const std::string& path, int64_t context_len) {
    LengthGrid::resolve(path, context_len);
    if (depths.empty()) depths = {0, 25, 50, 75, 100};
    for (size_t i = 1; i < depths.size(); ++i)
      if (depths[i] <= depths[i - 1])
        throw UserError(path + "/depths/" + std::to_string(i), "depths must ascend");
  }
};

/// For tasks that have several places, or none: questions of each length.
struct LengthOnlyGrid : LengthGrid {
  int64_t n_per_length = 50;

  template <class F>
  void fields(F& f) {
    LengthGrid::fields(f);
    f("n_per_length", n_per_length, "questions of each length", within(1, 1 << 20));
  }
};

}  // namespace sublab

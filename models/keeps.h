// Keep decisions of subsampling modules, by value: recorded by one run, forced upon another.
#pragma once

#include <cstdint>
#include <vector>

namespace sublab {

/// Decides instead of a selector whether a module keeps the token at `ordinal` of the level it
/// subsamples (the parent level), in batch row `row`.
class KeepRule {
 public:
  virtual ~KeepRule() = default;
  virtual bool keep(int64_t module, int64_t row, int64_t ordinal) const = 0;
};

/// Decisions of a run: decided[module][row][ordinal], 1 = kept.
class RecordedKeeps : public KeepRule {
 public:
  bool keep(int64_t module, int64_t row, int64_t ordinal) const override {
    return decided.at(module).at(row).at(ordinal) != 0;
  }
  void record(int64_t module, int64_t row, int64_t ordinal, bool kept);

  std::vector<std::vector<std::vector<uint8_t>>> decided;
};

/// Keeps a stated share, evenly spread: t is kept iff floor((t+1)d) > floor(t d).
class EvenKeeps : public KeepRule {
 public:
  explicit EvenKeeps(std::vector<double> fraction_per_module)
      : fraction_(std::move(fraction_per_module)) {}
  bool keep(int64_t module, int64_t row, int64_t ordinal) const override;

 private:
  std::vector<double> fraction_;
};

/// floor((t+1)d) > floor(t d), safe against the rounding of products such as 0.64 * 25.
bool evenly_kept(int64_t ordinal, double fraction);

}  // namespace sublab

// Where a model selects tokens, and its decisions by value: recorded by one run, forced upon
// another.
#pragma once

#include <cstdint>
#include <vector>

namespace sublab {

/// A place in a model where some tokens go on and the others do not.
struct SelectionSite {
  int64_t level = 1;     ///< that the kept tokens enter: 1 for an outermost site
  double retention = 1;  ///< kept / parent tokens that the model is configured for
  /// Whether evaluation keeps those whose score is above 0, as a guess at whom training chooses.
  bool foretold = false;
};

/// Decides instead of a selector whether a site keeps the token at `ordinal` of the level it
/// selects from (the parent level), in batch row `row`.
class KeepRule {
 public:
  virtual ~KeepRule() = default;
  virtual bool keep(int64_t site, int64_t row, int64_t ordinal) const = 0;
};

/// Decisions of a run: decided[site][row][ordinal], 1 = kept.
class RecordedKeeps : public KeepRule {
 public:
  bool keep(int64_t site, int64_t row, int64_t ordinal) const override {
    return decided.at(site).at(row).at(ordinal) != 0;
  }
  void record(int64_t site, int64_t row, int64_t ordinal, bool kept);

  std::vector<std::vector<std::vector<uint8_t>>> decided;
};

/// Keeps a stated share, evenly spread: t is kept iff floor((t+1)d) > floor(t d).
class EvenKeeps : public KeepRule {
 public:
  explicit EvenKeeps(std::vector<double> fraction_per_site)
      : fraction_(std::move(fraction_per_site)) {}
  /// At the sites' own retention.
  explicit EvenKeeps(const std::vector<SelectionSite>& sites) {
    for (const SelectionSite& site : sites) fraction_.push_back(site.retention);
  }
  bool keep(int64_t site, int64_t row, int64_t ordinal) const override;

 private:
  std::vector<double> fraction_;
};

/// floor((t+1)d) > floor(t d), safe against the rounding of products such as 0.64 * 25.
bool evenly_kept(int64_t ordinal, double fraction);

}  // namespace sublab

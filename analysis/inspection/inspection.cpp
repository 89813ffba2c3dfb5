// Numbers of an inspection: means with intervals per class of token and per level.
#include "analysis/inspection/inspection.h"

#include <algorithm>

namespace sublab {
namespace {

/// Sums over blocks of consecutive units.
class Blocks {
 public:
  explicit Blocks(size_t n_units)
      : length_(static_cast<size_t>(block_length(static_cast<int64_t>(n_units)))),
        sums_((n_units + length_ - 1) / length_) {}
  void add(size_t unit, double loss) {
    sums_[unit / length_].loss += loss;
    sums_[unit / length_].tokens += 1;
  }
  const std::vector<DocumentSum>& sums() const { return sums_; }

 private:
  size_t length_;
  std::vector<DocumentSum> sums_;
};

DocumentSum total(const std::vector<DocumentSum>& sums) {
  DocumentSum out;
  for (const DocumentSum& sum : sums) out.loss += sum.loss, out.tokens += sum.tokens;
  return out;
}

void add_bytes(const InspectedText& side, int which, std::vector<SharedUnit>& out) {
  for (const InspectedToken& token : side.tokens)
    for (int64_t b = token.begin; b < token.end() && b < static_cast<int64_t>(out.size()); ++b) {
      out[b].depth[which] = token.depth;
      out[b].loss[which] = token.loss / static_cast<double>(token.bytes.size());
    }
}

}  // namespace

bool InspectedModule::has_scores() const {
  return std::any_of(scores.begin(), scores.end(), [](double s) { return !std::isnan(s); });
}

int64_t InspectedText::n_levels() const {
  int64_t out = 0;
  for (const InspectedModule& module : modules) out = std::max(out, module.level);
  return out;
}

int64_t block_length(int64_t n_tokens) { return std::max<int64_t>(64, (n_tokens + 39) / 40); }

Contrast kept_and_dropped(const InspectedText& side, int64_t level, LossOf which) {
  Blocks kept(side.tokens.size()), dropped(side.tokens.size());
  for (size_t i = 0; i < side.tokens.size(); ++i) {
    const size_t place = which == LossOf::token ? i : i + 1;
    if (place >= side.tokens.size() || std::isnan(side.tokens[place].loss)) continue;
    if (side.tokens[i].depth >= level)
      kept.add(i, side.tokens[place].loss);
    else if (side.tokens[i].depth == level - 1)
      dropped.add(i, side.tokens[place].loss);
  }
  const DocumentSum with = total(kept.sums()), without = total(dropped.sums());
  Contrast out;
  out.n_with = with.tokens, out.n_without = without.tokens;
  if (with.tokens > 0) out.with = with.loss / with.tokens;
  if (without.tokens > 0) out.without = without.loss / without.tokens;
  out.possible = with.tokens > 0 && without.tokens > 0;
  if (out.possible) out.difference = difference_of_means(kept.sums(), dropped.sums());
  return out;
}

std::vector<SharedUnit> shared_units(const Inspection& inspection) {
  std::vector<SharedUnit> out;
  if (inspection.alignment == Alignment::none) return out;
  const InspectedText &a = inspection.sides[0], &b = inspection.sides[1];
  if (inspection.alignment == Alignment::tokens) {
    for (size_t i = 0; i < a.tokens.size(); ++i)
      out.push_back({{double(a.tokens[i].depth), double(b.tokens[i].depth)},
                     {a.tokens[i].loss, b.tokens[i].loss}});
    return out;
  }
  out.resize(static_cast<size_t>(std::min(a.tokens.back().end(), b.tokens.back().end())));
  add_bytes(a, 0, out);
  add_bytes(b, 1, out);
  return out;
}

Estimate loss_difference(const std::vector<SharedUnit>& units) {
  Blocks a(units.size()), b(units.size());
  for (size_t i = 0; i < units.size(); ++i) {
    if (std::isnan(units[i].loss[0]) || std::isnan(units[i].loss[1])) continue;
    a.add(i, units[i].loss[0]);
    b.add(i, units[i].loss[1]);
  }
  return difference_of_means(a.sums(), b.sums());
}

}  // namespace sublab

// What the mechanisms of a model report while it runs, beside hidden states: losses that they want
// added, and how often they acted. A pass writes to what its Run points at; null = nobody asks.
#pragma once

#include <ATen/ATen.h>

#include <map>
#include <string>
#include <vector>

namespace sublab {

struct AuxiliaryLoss {
  std::string name;
  at::Tensor value;  ///< scalar, differentiable, a mean over the tokens of the pass
  double weight;
};

/// Losses of a pass beside that of the next token: the trainer adds total() to it, weighted with
/// the pass's share of the step's tokens. Parts that are recomputed in the backward pass
/// (Run::recompute) must not write here.
class AuxiliaryLosses {
 public:
  void add(std::string name, at::Tensor value, double weight);
  const std::vector<AuxiliaryLoss>& all() const { return all_; }
  /// Sum of weight * value; undefined when there is none.
  at::Tensor total() const;

 private:
  std::vector<AuxiliaryLoss> all_;
};

/// Where in a model something is counted.
struct Place {
  int64_t layer = -1;  ///< -1: outside the layers
  int64_t level = 0;
  friend auto operator<=>(const Place&, const Place&) = default;
};

/// How often a mechanism acted, and how often it could have: tokens evicted of tokens seen,
/// segments folded of segments begun, coarse groups advanced of tokens read.
struct ActivityCount {
  double n = 0;
  double of = 0;
  double fraction() const { return of > 0 ? n / of : 0; }
};

/// Counts by mechanism and place. Passes add to it; several of them add up.
class Activity {
 public:
  using Counts = std::map<std::pair<std::string, Place>, ActivityCount>;
  void count(const std::string& name, double n, double of, Place place = {});
  void add(const Activity& other);
  const Counts& counts() const { return counts_; }
  /// Of one mechanism over all places.
  ActivityCount total(const std::string& name) const;

 private:
  Counts counts_;
};

}  // namespace sublab

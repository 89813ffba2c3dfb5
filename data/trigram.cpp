// Counts of three, two and one tokens, interpolated.
#include "data/trigram.h"

#include <bit>
#include <cmath>

namespace sublab {
namespace {

uint64_t pair_key(uint64_t a, uint64_t b) { return a << 21 | b; }
uint64_t triple_key(uint64_t a, uint64_t b, uint64_t c) { return a << 42 | b << 21 | c; }

double count(const std::unordered_map<uint64_t, uint32_t>& counts, uint64_t key) {
  const auto it = counts.find(key);
  return it == counts.end() ? 0 : it->second;
}

/// Calls f(u, v, w) for each token w of the document and the two before it.
template <class F>
void for_each_triple(const std::vector<int64_t>& document, uint64_t boundary, const F& f) {
  uint64_t u = boundary, v = boundary;
  for (const int64_t id : document) {
    const auto w = static_cast<uint64_t>(id);
    f(u, v, w);
    u = v;
    v = w;
  }
}

}  // namespace

InterpolatedTrigram::InterpolatedTrigram(const std::vector<std::vector<int64_t>>& documents,
                                         int64_t vocab_size, int64_t boundary_id)
    : vocab_size_(vocab_size), boundary_(boundary_id) {
  for (auto& weights : weights_) weights = {0.01, 0.29, 0.4, 0.3};
  std::vector<std::vector<int64_t>> held_out;
  for (size_t i = 0; i < documents.size(); ++i) {
    if (i % 10 == 9)
      held_out.push_back(documents[i]);
    else
      add(documents[i]);
  }
  if (!held_out.empty()) fit(held_out);
  for (const auto& document : held_out) add(document);
}

void InterpolatedTrigram::add(const std::vector<int64_t>& document) {
  for_each_triple(document, boundary_, [&](uint64_t u, uint64_t v, uint64_t w) {
    ++one_[w];
    ++two_[pair_key(v, w)];
    ++one_context_[v];
    ++three_[triple_key(u, v, w)];
    ++two_context_[pair_key(u, v)];
    ++n_tokens_;
  });
}

int InterpolatedTrigram::bucket(uint64_t u, uint64_t v) const {
  const auto seen = static_cast<uint32_t>(count(two_context_, pair_key(u, v)));
  return std::min<int>(std::bit_width(seen), kBuckets - 1);
}

std::array<double, 4> InterpolatedTrigram::parts(uint64_t u, uint64_t v, uint64_t w) const {
  const double uv = count(two_context_, pair_key(u, v)), v_only = count(one_context_, v);
  return {1.0 / static_cast<double>(vocab_size_), n_tokens_ > 0 ? count(one_, w) / n_tokens_ : 0,
          v_only > 0 ? count(two_, pair_key(v, w)) / v_only : 0,
          uv > 0 ? count(three_, triple_key(u, v, w)) / uv : 0};
}

void InterpolatedTrigram::fit(const std::vector<std::vector<int64_t>>& documents) {
  constexpr int kRounds = 12;
  constexpr double kFloor = 1e-6;  // the uniform part must never vanish
  for (int round = 0; round < kRounds; ++round) {
    std::array<std::array<double, 4>, kBuckets> share{};
    for (const auto& document : documents)
      for_each_triple(document, boundary_, [&](uint64_t u, uint64_t v, uint64_t w) {
        const int b = bucket(u, v);
        const auto p = parts(u, v, w);
        double total = 0;
        for (int k = 0; k < 4; ++k) total += weights_[b][k] * p[k];
        for (int k = 0; k < 4; ++k) share[b][k] += weights_[b][k] * p[k] / total;
      });
    for (int b = 0; b < kBuckets; ++b) {
      double total = 0;
      for (const double s : share[b]) total += s;
      if (total <= 0) continue;
      for (int k = 0; k < 4; ++k)
        weights_[b][k] = (share[b][k] / total + kFloor) / (1 + 4 * kFloor);
    }
  }
}

double InterpolatedTrigram::probability(int64_t before_last, int64_t last, int64_t id) const {
  const auto u = static_cast<uint64_t>(before_last), v = static_cast<uint64_t>(last);
  const auto p = parts(u, v, static_cast<uint64_t>(id));
  const auto& weights = weights_[bucket(u, v)];
  // A context that was never seen has no distribution of its own: its weight goes to the others.
  double total = 0, mass = 0;
  const bool seen[4] = {true, n_tokens_ > 0, count(one_context_, v) > 0,
                        count(two_context_, pair_key(u, v)) > 0};
  for (int k = 0; k < 4; ++k) {
    total += weights[k] * p[k];
    mass += seen[k] ? weights[k] : 0;
  }
  return total / mass;
}

double InterpolatedTrigram::loss_nats(const std::vector<int64_t>& document) const {
  double sum = 0;
  for_each_triple(document, boundary_, [&](uint64_t u, uint64_t v, uint64_t w) {
    sum -= std::log(
        probability(static_cast<int64_t>(u), static_cast<int64_t>(v), static_cast<int64_t>(w)));
  });
  return sum;
}

}  // namespace sublab

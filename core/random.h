// Named random streams without torch: one trial seed, and a stream for each purpose, so that a
// variant which draws more numbers for one purpose still sees the same numbers for every other.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace sublab {

/// SplitMix64's numbers.
constexpr uint64_t kMixStep = 0x9e3779b97f4a7c15ull;
constexpr uint64_t kMixFirst = 0xbf58476d1ce4e5b9ull;
constexpr uint64_t kMixSecond = 0x94d049bb133111ebull;

/// SplitMix64's finaliser (Steele, Lea, Flood 2014): a bijection of 64-bit words with good
/// diffusion.
constexpr uint64_t mix_bits(uint64_t x) {
  x += kMixStep;
  x = (x ^ (x >> 30)) * kMixFirst;
  x = (x ^ (x >> 27)) * kMixSecond;
  return x ^ (x >> 31);
}

/// A key for the stream `name` of `seed`; `a` and `b` pick a place in it (a counter, a level).
constexpr uint64_t stream_key(uint64_t seed, std::string_view name, uint64_t a = 0,
                              uint64_t b = 0) {
  uint64_t key = mix_bits(seed);
  for (const char c : name) key = mix_bits(key ^ static_cast<unsigned char>(c));
  return mix_bits(mix_bits(key ^ a) + b);
}

/// 53 bits of `bits` as a number in [0, 1).
constexpr double unit_interval(uint64_t bits) {
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

/// A sequence of numbers that depends on its key alone.
class RandomSequence {
 public:
  explicit RandomSequence(uint64_t key) : state_(key) {}
  RandomSequence(uint64_t seed, std::string_view name) : state_(stream_key(seed, name)) {}

  uint64_t next() { return mix_bits(state_++); }
  double uniform() { return unit_interval(next()); }
  /// Uniform in [0, n), n > 0. The bias of the multiplication is below n / 2^64.
  uint64_t below(uint64_t n) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(next()) * n) >> 64);
  }
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  uint64_t state_;
};

}  // namespace sublab

// SHA-256 (FIPS 180-4): ids of trials, corpora and files.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace sublab {

class Sha256 {
 public:
  Sha256();
  void update(std::string_view bytes);
  /// The digest as 64 hex characters. The object must not be updated afterwards.
  std::string hex();

 private:
  void block(const uint8_t* bytes);
  std::array<uint32_t, 8> state_;
  std::array<uint8_t, 64> buffer_{};
  uint64_t n_bytes_ = 0;
};

/// 64 hex characters.
std::string sha256_hex(std::string_view bytes);

/// The first 16 hex characters of the hash: the form that ids take.
std::string short_hash(std::string_view bytes);

}  // namespace sublab

#include "data/documents.h"

#include "core/hash.h"

namespace sublab {

const char* split_name(Split split) {
  return split == Split::train ? "train" : split == Split::validation ? "validation" : "test";
}

uint64_t document_key(std::string_view text) { return std::stoull(short_hash(text), nullptr, 16); }

Split split_of(uint64_t key) {
  const uint64_t place = key % 100;
  return place < 90 ? Split::train : place < 95 ? Split::validation : Split::test;
}

size_t invalid_utf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<uint8_t>(text[i]);
    const size_t n = lead < 0x80                   ? 1
                     : lead >= 0xc2 && lead < 0xe0 ? 2
                     : lead >= 0xe0 && lead < 0xf0 ? 3
                     : lead >= 0xf0 && lead < 0xf5 ? 4
                                                   : 0;
    if (n == 0 || i + n > text.size()) return i;
    for (size_t k = 1; k < n; ++k)
      if ((static_cast<uint8_t>(text[i + k]) & 0xc0) != 0x80) return i;
    const auto second = n > 1 ? static_cast<uint8_t>(text[i + 1]) : 0;
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0) ||
        (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second >= 0x90))
      return i;
    i += n;
  }
  return std::string_view::npos;
}

}  // namespace sublab

// Lengths of UTF-8 sequences.
#include "core/utf8.h"

#include <cstdint>

#include "core/error.h"

namespace sublab {

size_t utf8_length(std::string_view text, size_t at) {
  if (at >= text.size()) return 0;
  const auto lead = static_cast<uint8_t>(text[at]);
  const size_t n = lead < 0x80                   ? 1
                   : lead >= 0xc2 && lead < 0xe0 ? 2
                   : lead >= 0xe0 && lead < 0xf0 ? 3
                   : lead >= 0xf0 && lead < 0xf5 ? 4
                                                 : 0;
  if (n == 0 || at + n > text.size()) return 0;
  for (size_t k = 1; k < n; ++k)
    if ((static_cast<uint8_t>(text[at + k]) & 0xc0) != 0x80) return 0;
  const auto second = n > 1 ? static_cast<uint8_t>(text[at + 1]) : 0;
  if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0) ||
      (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second >= 0x90))
    return 0;
  return n;
}

void check_string(const std::string& text, const std::string& where) {
  if (text.find('\0') != std::string::npos)
    throw UserError(where, "has a NUL character in a string");
  for (size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const size_t n = utf8_length(text, at);
    if (n == 0) throw UserError(where, "has a string that is not UTF-8");
    at += n;
  }
}

}  // namespace sublab

// UTF-8, a character at a time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sublab {

/// Bytes of the valid character that begins at `at` (RFC 3629: no overlong forms, no surrogates); 0
/// where none does.
size_t utf8_length(std::string_view text, size_t at);

/// Throws UserError at `where` for text with a NUL character, or that is not UTF-8.
void check_string(const std::string& text, const std::string& where);

}  // namespace sublab

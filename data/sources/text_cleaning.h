// Helpers that the mark-up cleaners share.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace sublab::cleaning {

std::vector<std::string_view> lines_of(std::string_view text);
std::string_view trimmed(std::string_view line);

/// A line of one repeated punctuation character, at least `shortest` long: an underline or a rule.
bool is_rule(std::string_view line, size_t shortest = 3);

/// Trailing blanks go, more than one empty line becomes one, none stands at either end; paragraphs
/// of licence text near the start or the end are dropped.
std::string tidy(const std::string& text);

/// Replaces `open`inner`close` on one line by `replace(inner)`; unmatched openings stay.
std::string replace_pairs(std::string_view line, std::string_view open, std::string_view close,
                          const std::function<std::string(std::string_view)>& replace);

}  // namespace sublab::cleaning

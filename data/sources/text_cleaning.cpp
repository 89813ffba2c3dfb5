// White space and control characters that mark-up leaves behind.
#include "data/sources/text_cleaning.h"

#include <algorithm>

namespace sublab::cleaning {

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  size_t begin = 0;
  while (begin < text.size()) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    lines.push_back(line);
    begin = end + 1;
  }
  return lines;
}

std::string_view trimmed(std::string_view line) {
  const size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return line.substr(begin, line.find_last_not_of(" \t") - begin + 1);
}

bool is_rule(std::string_view line, size_t shortest) {
  const std::string_view mark = trimmed(line);
  return mark.size() >= shortest &&
         std::string_view("=-~^\"'`#*+_:.<>").find(mark[0]) != std::string_view::npos &&
         mark.find_first_not_of(mark[0]) == std::string_view::npos;
}

namespace {

bool is_licence(std::string_view paragraph) {
  for (const char* phrase : {"SPDX-", "Copyright", "copyright", "©", "Permission is granted",
                             "GNU Free Documentation", "GNU General Public", "redistribute it",
                             "under the terms of", "under the same terms", "All rights reserved"})
    if (paragraph.find(phrase) != std::string_view::npos) return true;
  return false;
}

std::vector<std::string> paragraphs_of(const std::string& text) {
  std::vector<std::string> paragraphs;
  bool open = false;
  for (std::string_view line : lines_of(text)) {
    const size_t end = line.find_last_not_of(" \t\f");
    line = line.substr(0, end == std::string_view::npos ? 0 : end + 1);
    if (line.empty()) {
      open = false;
      continue;
    }
    if (open)
      paragraphs.back().append("\n").append(line);
    else
      paragraphs.emplace_back(line);
    open = true;
  }
  return paragraphs;
}

}  // namespace

std::string tidy(const std::string& text) {
  constexpr size_t kFirst = 6, kLast = 4;
  const std::vector<std::string> paragraphs = paragraphs_of(text);
  std::string out;
  for (size_t i = 0; i < paragraphs.size(); ++i) {
    const bool edge = i < kFirst || i + kLast >= paragraphs.size();
    if (edge && is_licence(paragraphs[i])) continue;
    if (!out.empty()) out += "\n\n";
    out += paragraphs[i];
  }
  if (!out.empty()) out += "\n";
  return out;
}

std::string replace_pairs(std::string_view line, std::string_view open, std::string_view close,
                          const std::function<std::string(std::string_view)>& replace) {
  std::string out;
  size_t at = 0;
  while (true) {
    const size_t begin = line.find(open, at);
    const size_t end =
        begin == std::string_view::npos ? begin : line.find(close, begin + open.size());
    if (end == std::string_view::npos) return out.append(line.substr(at));
    const std::string_view inner = line.substr(begin + open.size(), end - begin - open.size());
    out.append(line.substr(at, begin - at)).append(replace(inner));
    at = end + close.size();
  }
}

}  // namespace sublab::cleaning

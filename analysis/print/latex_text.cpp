// Text that LaTeX would read as commands, made safe.
#include "analysis/print/latex_text.h"

#include <cctype>
#include <cstdint>
#include <cstdio>
#include <map>
#include <vector>

namespace sublab {
namespace {

const std::string kMinus = "−";

struct Character {
  uint32_t code;
  size_t n_bytes;
};

/// The character at `at`; a byte that begins none stands for itself.
Character character_at(const std::string& text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  const size_t n = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
  if (n == 1 || at + n > text.size()) return {first, 1};
  uint32_t code = first & (0xff >> (n + 1));
  for (size_t i = 1; i < n; ++i) code = code << 6 | (byte(at + i) & 0x3f);
  return {code, n};
}

const std::map<uint32_t, std::string> kCommands = {{'\\', "\\textbackslash{}"},
                                                   {'{', "\\{"},
                                                   {'}', "\\}"},
                                                   {'$', "\\$"},
                                                   {'&', "\\&"},
                                                   {'#', "\\#"},
                                                   {'%', "\\%"},
                                                   {'_', "\\_"},
                                                   {'^', "\\textasciicircum{}"},
                                                   {'~', "\\textasciitilde{}"},
                                                   {'<', "$<$"},
                                                   {'>', "$>$"},
                                                   {'|', "\\textbar{}"},
                                                   {'"', "''"},
                                                   {0x2212, "$-$"},
                                                   {0x2013, "--"},
                                                   {0x2014, "---"},
                                                   {0xb1, "$\\pm$"},
                                                   {0xd7, "$\\times$"},
                                                   {0xb7, "$\\cdot$"},
                                                   {0x2264, "$\\le$"},
                                                   {0x2265, "$\\ge$"},
                                                   {0x2192, "$\\to$"},
                                                   {0x2026, "\\dots{}"},
                                                   {0xb5, "$\\mu$"},
                                                   {0x3bc, "$\\mu$"},
                                                   {0xb0, "$^\\circ$"},
                                                   {0x2018, "`"},
                                                   {0x2019, "'"},
                                                   {0x201c, "``"},
                                                   {0x201d, "''"},
                                                   {0xa0, "~"},
                                                   {'\n', " "},
                                                   {'\t', " "},
                                                   {'\r', " "}};

std::string latex_of(const Character& c, const std::string& bytes) {
  if (const auto it = kCommands.find(c.code); it != kCommands.end()) return it->second;
  // T1 fonts hold Latin letters with their accents up to U+017F.
  if ((c.code >= 0x20 && c.code < 0x7f) || (c.n_bytes > 1 && c.code >= 0xc0 && c.code < 0x180))
    return bytes;
  char text[16];
  std::snprintf(text, sizeof text, "[U+%04X]", c.code);
  return text;
}

bool is_digit(const std::string& text, size_t at) {
  return at < text.size() && std::isdigit(static_cast<unsigned char>(text[at]));
}

/// Bytes of the number that begins at `at`: sign, digits, fraction, exponent; 0 when none does.
size_t number_length(const std::string& text, size_t at) {
  size_t end = at;
  if (text.compare(end, kMinus.size(), kMinus) == 0)
    end += kMinus.size();
  else if (end < text.size() && (text[end] == '-' || text[end] == '+'))
    ++end;
  if (!is_digit(text, end)) return 0;
  const auto digits = [&] {
    while (is_digit(text, end)) ++end;
  };
  digits();
  if (end < text.size() && text[end] == '.' && is_digit(text, end + 1)) ++end, digits();
  if (end < text.size() && text[end] == 'e') {
    const size_t sign = end + 1 < text.size() && (text[end + 1] == '-' || text[end + 1] == '+');
    if (is_digit(text, end + 1 + sign)) end += 1 + sign, digits();
  }
  return end - at;
}

std::string with_hyphen(std::string number) {
  return number.starts_with(kMinus) ? "-" + number.substr(kMinus.size()) : number;
}

/// A number is part of a word where a letter or one of "._" touches it.
bool in_word(const std::string& text, size_t begin, size_t end) {
  const auto wordly = [&](size_t at) {
    const auto c = static_cast<unsigned char>(text[at]);
    return std::isalpha(c) || c == '_' || c == '.';
  };
  return (begin > 0 && wordly(begin - 1)) || (end < text.size() && wordly(end));
}

}  // namespace

std::string latex_escaped(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    out += latex_of(c, text.substr(at, c.n_bytes));
    at += c.n_bytes;
  }
  return out;
}

std::string siunitx_number(const std::string& text) {
  const size_t n = number_length(text, 0);
  return n > 0 && n == text.size() ? with_hyphen(text) : "";
}

std::string latex_cell(const std::string& text) {
  static const std::vector<std::string> units = {"k",  "M",  "G",  "T",  "P",
                                                 "kB", "MB", "GB", "ms", "s"};
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t n = number_length(text, at);
    if (n == 0 || in_word(text, at, at + n)) {
      const size_t length = n > 0 ? n : character_at(text, at).n_bytes;
      out += latex_escaped(text.substr(at, length));
      at += length;
      continue;
    }
    out += "\\num{" + with_hyphen(text.substr(at, n)) + "}";
    at += n;
    for (const std::string& unit : units) {
      const size_t end = at + 1 + unit.size();
      if (text.compare(at, 1 + unit.size(), " " + unit) != 0) continue;
      if (end < text.size() && std::isalnum(static_cast<unsigned char>(text[end]))) continue;
      out += "\\," + unit;
      at = end;
      break;
    }
  }
  return out;
}

}  // namespace sublab

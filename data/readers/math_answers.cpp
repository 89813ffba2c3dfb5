// Rewrites answers in LaTeX (data/readers/math_answers.h).
#include "data/readers/math_answers.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace sublab {
namespace math_answers {

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

std::vector<std::string> split(const std::string& text, const std::string& at) {
  std::vector<std::string> out;
  size_t begin = 0;
  for (size_t end = text.find(at); end != std::string::npos; end = text.find(at, begin)) {
    out.push_back(text.substr(begin, end - begin));
    begin = end + at.size();
  }
  out.push_back(text.substr(begin));
  return out;
}

/// \sqrt3 -> \sqrt{3}; nothing where no argument follows.
std::optional<std::string> with_braced_roots(const std::string& text) {
  const auto parts = split(text, "\\sqrt");
  std::string out = parts.front();
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::string& part = parts[i];
    if (part.empty()) return std::nullopt;
    out += part[0] == '{' ? "\\sqrt" + part : "\\sqrt{" + part.substr(0, 1) + "}" + part.substr(1);
  }
  return out;
}

/// \frac12 -> \frac{1}{2}, \frac1{72} -> \frac{1}{72}; nothing where no argument follows.
std::optional<std::string> with_braced_fractions(const std::string& text) {
  const auto parts = split(text, "\\frac");
  std::string out = parts.front();
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::string& part = parts[i];
    if (part.empty()) return std::nullopt;
    if (part[0] == '{') {
      out += "\\frac" + part;
      continue;
    }
    if (part.size() < 2) return text;  // as it stands, by definition
    const std::string rest = part.substr(part[1] == '{' ? 1 : 2);
    out += "\\frac{" + part.substr(0, 1) + "}" +
           (part[1] == '{' ? "" : "{" + part.substr(1, 1) + "}") + rest;
  }
  return out;
}

bool is_whole_number(const std::string& text) {
  const size_t begin = text.starts_with('-') ? 1 : 0;
  return text.size() > begin && text.find_first_not_of("0123456789", begin) == std::string::npos &&
         (text[begin] != '0' || text == "0");
}

/// 1/2 -> \frac{1}{2}.
std::string with_fraction(const std::string& text) {
  const auto parts = split(text, "/");
  if (parts.size() != 2 || !is_whole_number(parts[0]) || !is_whole_number(parts[1])) return text;
  return "\\frac{" + parts[0] + "}{" + parts[1] + "}";
}

std::optional<std::string> rewritten(std::string text) {
  replace_all(text, "\n", "");
  replace_all(text, "\\!", "");
  replace_all(text, "\\\\", "\\");
  for (const char* kind : {"tfrac", "dfrac"}) replace_all(text, kind, "frac");
  for (const char* dropped : {"\\left", "\\right", "^{\\circ}", "^\\circ", "\\$"})
    replace_all(text, dropped, "");
  // Units stand behind and are text with a blank before it.
  const auto units = split(text, "\\text{ ");
  if (units.size() > 2) return std::nullopt;
  text = units.front();
  replace_all(text, "\\%", "");
  replace_all(text, " .", " 0.");
  replace_all(text, "{.", "{0.");
  if (text.empty()) return text;
  if (text[0] == '.') text = "0" + text;
  const auto sides = split(text, "=");
  if (sides.size() == 2 && sides[0].size() <= 2) text = sides[1];  // "k = 3"
  auto roots = with_braced_roots(text);
  if (!roots) return std::nullopt;
  std::erase(*roots, ' ');
  const auto fractions = with_braced_fractions(*roots);
  if (!fractions) return std::nullopt;
  return with_fraction(*fractions == "0.5" ? "\\frac{1}{2}" : *fractions);
}

}  // namespace math_answers

bool is_same_mathematics(const std::string& a, const std::string& b) {
  const auto ours = math_answers::rewritten(a), theirs = math_answers::rewritten(b);
  return ours && theirs ? *ours == *theirs : a == b;
}

}  // namespace sublab

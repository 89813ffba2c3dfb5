// A recursive descent over Python's literals (data/readers/python_literal.h).
#include "data/readers/python_literal.h"

#include <charconv>
#include <string>

namespace sublab {
namespace python_literal {

/// Appends a code point as UTF-8.
void append(uint32_t point, std::string& out) {
  const auto byte = [&](uint32_t bits) { out += static_cast<char>(bits); };
  if (point < 0x80) return byte(point);
  if (point < 0x800) {
    byte(0xc0 | (point >> 6));
  } else if (point < 0x10000) {
    byte(0xe0 | (point >> 12));
    byte(0x80 | ((point >> 6) & 0x3f));
  } else {
    byte(0xf0 | (point >> 18));
    byte(0x80 | ((point >> 12) & 0x3f));
    byte(0x80 | ((point >> 6) & 0x3f));
  }
  byte(0x80 | (point & 0x3f));
}

/// What is wrong throws this, and parse_python_literal catches it.
struct Wrong {};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  json whole() {
    json out = value();
    skip();
    if (at_ < text_.size()) throw Wrong();
    return out;
  }

 private:
  static constexpr int kMostDepth = 100;

  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || (text_[at_] >= '\t' && text_[at_] <= '\r')))
      ++at_;
  }
  char next() {
    skip();
    if (at_ >= text_.size()) throw Wrong();
    return text_[at_];
  }
  bool takes(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  json value() {
    if (++depth_ > kMostDepth) throw Wrong();
    const char first = next();
    json out;
    if (first == '{')
      out = dict();
    else if (first == '[' || first == '(')
      out = list(first == '[' ? ']' : ')');
    else if (first == '\'' || first == '"')
      out = string();
    else if (takes("None"))
      out = nullptr;
    else if (takes("True"))
      out = true;
    else if (takes("False"))
      out = false;
    else
      out = number();
    --depth_;
    return out;
  }

  json dict() {
    json out = json::object();
    ++at_;
    while (next() != '}') {
      const char first = next();
      if (first != '\'' && first != '"') throw Wrong();
      const std::string key = string();
      if (next() != ':') throw Wrong();
      ++at_;
      out[key] = value();
      if (next() == ',')
        ++at_;
      else if (next() != '}')
        throw Wrong();
    }
    ++at_;
    return out;
  }

  json list(char end) {
    json out = json::array();
    ++at_;
    while (next() != end) {
      out.push_back(value());
      if (next() == ',')
        ++at_;
      else if (next() != end)
        throw Wrong();
    }
    ++at_;
    return out;
  }

  std::string string() {
    const char quote = text_[at_++];
    std::string out;
    while (true) {
      if (at_ >= text_.size() || text_[at_] == '\n') throw Wrong();
      const char c = text_[at_++];
      if (c == quote) return out;
      if (c == '\\')
        escape(out);
      else
        out += c;
    }
  }

  void escape(std::string& out) {
    if (at_ >= text_.size()) throw Wrong();
    const char c = text_[at_++];
    switch (c) {
      case 'n':
        out += '\n';
        return;
      case 't':
        out += '\t';
        return;
      case 'r':
        out += '\r';
        return;
      case '\\':
      case '\'':
      case '"':
        out += c;
        return;
      case 'x':
        return append(hex(2), out);
      case 'u':
        return append(hex(4), out);
      case 'U':
        return append(hex(8), out);
      default:  // Python keeps what it does not know
        out += '\\';
        out += c;
    }
  }

  uint32_t hex(size_t digits) {
    uint32_t out = 0;
    if (at_ + digits > text_.size()) throw Wrong();
    const char *begin = text_.data() + at_, *end = begin + digits;
    if (std::from_chars(begin, end, out, 16).ptr != end || out > 0x10ffff) throw Wrong();
    at_ += digits;
    return out;
  }

  json number() {
    const size_t end = std::min(text_.find_first_not_of("+-.0123456789eE", at_), text_.size());
    const json out = json::parse(text_.substr(at_, end - at_), nullptr, false);
    if (!out.is_number()) throw Wrong();
    at_ = end;
    return out;
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace python_literal

std::optional<json> parse_python_literal(std::string_view text) {
  try {
    return python_literal::Parser(text).whole();
  } catch (const python_literal::Wrong&) {
    return std::nullopt;
  }
}

}  // namespace sublab

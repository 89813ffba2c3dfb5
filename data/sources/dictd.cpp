// The dictd format: a gzip-compatible file of text, and beside it an index of
// "headword <tab> offset <tab> length", numbers in base 64.
#include <algorithm>
#include <set>

#include "core/error.h"
#include "data/sources/sources.h"
#include "data/sources/text_cleaning.h"
#include "data/text/documents.h"
#include "data/text/gzip.h"

namespace sublab {
namespace {

uint64_t base64_number(std::string_view digits, const std::string& where) {
  static const std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  uint64_t value = 0;
  for (const char digit : digits) {
    const size_t place = alphabet.find(digit);
    if (place == std::string_view::npos) throw UserError(where, "is damaged");
    value = value * 64 + place;
  }
  return value;
}

/// Entry text without its edition tags, link braces and indentation.
std::string clean_entry(std::string_view entry) {
  std::string out;
  for (const std::string_view raw : cleaning::lines_of(entry)) {
    std::string line(cleaning::trimmed(raw));
    for (const char* tag :
         {"[1913 Webster]", "[Webster 1913 Suppl.]", "[PJC]", "[WordNet 1.5]", "[RDH]"})
      for (size_t at = line.find(tag); at != std::string::npos; at = line.find(tag))
        line.erase(at, std::string_view(tag).size());
    std::erase_if(line, [](char c) { return c == '{' || c == '}'; });
    out.append(line).append("\n");
  }
  return cleaning::tidy(out);
}

}  // namespace

Extractor dictd_extractor(const std::string& name) {
  return [name](const fs::path& unpacked, const AddDocument& add) {
    const fs::path base = unpacked / "usr/share/dictd" / name;
    const std::string index = read_file(base.string() + ".index");
    const std::string text = gunzip(base.string() + ".dict.dz");
    // Several headwords may name one entry; it is one document, in the order of the text.
    std::set<std::pair<uint64_t, uint64_t>> entries;
    for (const std::string_view line : cleaning::lines_of(index)) {
      if (line.starts_with("00-database") || line.starts_with("00database")) continue;
      const size_t first = line.find('\t'), second = line.find('\t', first + 1);
      if (second == std::string_view::npos) continue;
      entries.emplace(
          base64_number(line.substr(first + 1, second - first - 1), base.string() + ".index"),
          base64_number(line.substr(second + 1), base.string() + ".index"));
    }
    constexpr size_t kShortest = 40;  // "See x." teaches nothing
    for (const auto& [offset, length] : entries) {
      if (offset + length > text.size()) throw UserError(base.string() + ".index", "is damaged");
      std::string document = clean_entry(std::string_view(text).substr(offset, length));
      if (document.size() >= kShortest && invalid_utf8(document) == std::string::npos)
        add(std::move(document));
    }
  };
}

}  // namespace sublab

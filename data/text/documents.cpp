// A document's key and what follows from it.
#include "data/text/documents.h"

#include "core/hash.h"
#include "core/utf8.h"

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
  for (size_t i = 0; i < text.size();) {
    const size_t n = utf8_length(text, i);
    if (n == 0) return i;
    i += n;
  }
  return std::string_view::npos;
}

}  // namespace sublab

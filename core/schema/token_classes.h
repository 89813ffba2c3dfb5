// Kinds of tokens that keep rates are counted for, in the order that arrays and tables have them
// (perplexity.kept_by_class.npy).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sublab {

enum class TokenClass : uint8_t {
  boundary,
  white_space,
  word_start,
  word_inside,
  digit,
  punctuation,
  other
};

inline const std::vector<std::string> kTokenClasses = {
    "boundary", "white space", "word start", "word inside", "digit", "punctuation", "other"};

}  // namespace sublab

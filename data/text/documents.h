// Documents: the unit that corpora are made of, split by and resampled over.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sublab {

enum class Split { train, validation, test };

inline constexpr Split kSplits[] = {Split::train, Split::validation, Split::test};

/// "train", "validation" or "test".
const char* split_name(Split split);

/// 64 bits of the SHA-256 of a document's text: what it is known by, everywhere.
uint64_t document_key(std::string_view text);

/// 90 % train, 5 % validation, 5 % test, by the document's key alone: the same text is in the same
/// split whatever corpus it comes from.
Split split_of(uint64_t key);

/// The offset of the first byte that is not valid UTF-8, or npos.
size_t invalid_utf8(std::string_view text);

}  // namespace sublab

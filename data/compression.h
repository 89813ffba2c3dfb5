// What a model reads of the context of a question: the kind `compression`, implemented in
// baselines/compression.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/kind.h"

namespace sublab {

/// What comes before a question: text, or ids of a task with symbols of its own.
struct PromptContext {
  std::string text;
  std::vector<int64_t> ids;
};

class PromptCompressor {
 public:
  virtual ~PromptCompressor() = default;
  virtual PromptContext shortened(const PromptContext& context) const = 0;
};

/// Nothing is known of the task where a compressor is made.
struct CompressorContext {};

using CompressionEntry = Entry<PromptCompressor, CompressorContext>;

/// The member that changes nothing.
CompressionEntry none_compression();

}  // namespace sublab

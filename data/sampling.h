// What of the documents training sees, and what position encoding is told: the kinds `sampling` and
// `positions` of the catalog, implemented in baselines/.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/kind.h"
#include "data/shards.h"

namespace sublab {

/// Tokens [begin, end) of a document of a shard, packed as a document of its own.
struct DocumentSpan {
  int64_t document = 0;
  int64_t begin = 0;
  int64_t end = 0;
};

/// Which spans an epoch has, in which order, how often. Data-engineering methods
/// (baselines/sampling) implement this: whole documents, fewer of the short ones of a source, or
/// documents cut into parts. What a constructor finds wrong with settings in their context, it
/// throws as UserError at the context's `where`; a study is refused by it.
class DocumentSampler {
 public:
  virtual ~DocumentSampler() = default;
  /// Spans of epoch `epoch`, of the given `documents` of `shard`. Throws UserError for documents
  /// that it can do nothing with.
  virtual std::vector<DocumentSpan> epoch(const TokenShard& shard,
                                          const std::vector<int64_t>& documents,
                                          int64_t epoch) const = 0;
  /// Tokens from which reports call a document long; 0 = those of a row.
  virtual int64_t long_document_tokens() const { return 0; }
};

struct SamplingContext {
  uint64_t seed = 1;
  int64_t context_len = 0;
  std::vector<std::string> sources = {};  ///< names, by TokenShard::source()
  std::string where = "/data/sampling";   ///< of the choice, for messages
};

using SamplingEntry = Entry<DocumentSampler, SamplingContext>;

/// A piece of a training row: tokens [begin, end) of a document, the first of which stands at
/// `position`.
struct RowPiece {
  int64_t document = 0;
  int64_t begin = 0;
  int64_t end = 0;
  bool boundary = false;    ///< the boundary id stands before the tokens, at `position` itself
  bool starts_row = false;  ///< nothing in it looks at what stands before it
  int64_t position = 0;

  int64_t n_places() const { return end - begin + boundary; }
};

/// What a row reads and what position encoding is told of it. Position-skipping methods
/// (baselines/positions) implement this. Its constructor throws as that of a DocumentSampler.
class PositionSampler {
 public:
  virtual ~PositionSampler() = default;
  /// Row `index`, given the pieces that packing put there, positions contiguous: pieces that fill
  /// as many places, the last of which is a label alone. They may be others: PoSE's released form
  /// takes what stands after a skip from further on in its document.
  virtual std::vector<RowPiece> row(int64_t index, std::vector<RowPiece> packed,
                                    const TokenShard& shard) const = 0;
  /// Positions of a row of at most `context_len` tokens lie below this.
  virtual int64_t positions_below(int64_t context_len) const { return context_len; }
};

struct PositionsContext {
  uint64_t seed = 1;
  int64_t context_len = 0;
  std::string where = "/data/positions";  ///< of the choice, for messages
};

using PositionsEntry = Entry<PositionSampler, PositionsContext>;

/// The parts that training rows are made with.
struct DataParts {
  std::vector<SamplingEntry> samplings;
  std::vector<PositionsEntry> positions;
};

/// The members that change nothing.
SamplingEntry plain_sampling();
PositionsEntry contiguous_positions();

}  // namespace sublab

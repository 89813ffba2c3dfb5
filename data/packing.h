// Documents to rows: training rows of equal length, and the windows that perplexity is measured on.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "data/row_source.h"
#include "data/sampling.h"
#include "data/shards.h"

namespace sublab {

/// Documents to train on: all, or the first ones that hold `unique_tokens` (0 = all).
std::vector<int64_t> training_documents(const TokenShard& shard, int64_t unique_tokens);

/// Documents end to end, each after a boundary id, cut into rows of `context_len`. Every token is
/// predicted once per epoch: rows overlap by the one token that the next row starts from. Rows come
/// in an order of their own, stream "row_order" of `seed`: neighbours in a long document would make
/// steps of one kind of text, and the last of them would decide what the model is good at.
/// An epoch has as many rows as its sampler's spans come to; the remainder of its stream is left
/// out. With `split_at_documents`, a row says where documents begin, so that nothing looks across,
/// and positions restart there.
class PackedDocuments : public RowSource {
 public:
  PackedDocuments(const TokenShard& shard, std::vector<int64_t> documents, int32_t boundary_id,
                  int64_t vocab_size, int64_t context_len, bool split_at_documents, uint64_t seed,
                  std::unique_ptr<DocumentSampler> sampler,
                  std::unique_ptr<PositionSampler> positions);

  TokenRow row(int64_t index) const override;
  int64_t context_len() const override { return context_len_; }
  int64_t vocab_size() const override { return vocab_size_; }
  /// Rows of the first epoch.
  int64_t rows_per_epoch() const { return first_rows_.at(1); }
  /// What row `index` is made of.
  std::vector<RowPiece> pieces(int64_t index) const;
  /// Tells every span that row `index` predicts tokens of, with how many.
  void visit_spans(int64_t index,
                   const std::function<void(const DocumentSpan&, int64_t tokens)>& visit) const;

  const TokenShard& shard() const { return shard_; }
  /// The documents that sampling chooses from.
  const std::vector<int64_t>& documents() const { return documents_; }
  /// Tokens from which a document is long.
  int64_t long_document_tokens() const;
  int64_t positions_below() const { return positions_->positions_below(context_len_); }

 private:
  struct Epoch {
    int64_t number = -1;
    std::vector<DocumentSpan> spans;
    std::vector<int64_t> starts;  // starts[i]: place of span i's boundary in the stream
    int64_t length = 0;
    std::vector<int64_t> row_order;
  };
  std::shared_ptr<const Epoch> made(int64_t number) const;
  /// The epoch of row `index`, and the place in its stream where the row begins.
  std::pair<std::shared_ptr<const Epoch>, int64_t> place_of(int64_t index) const;
  /// context_len + 1 places of the stream from `first` on.
  std::vector<RowPiece> packed(const Epoch& epoch, int64_t first) const;
  TokenRow filled(const std::vector<RowPiece>& pieces) const;

  const TokenShard& shard_;
  std::vector<int64_t> documents_;
  int32_t boundary_id_;
  int64_t vocab_size_, context_len_;
  bool split_at_documents_;
  uint64_t seed_;
  std::unique_ptr<DocumentSampler> sampler_;
  std::unique_ptr<PositionSampler> positions_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const Epoch> last_;
  mutable std::vector<int64_t> first_rows_;  ///< of every epoch known so far, and of the next
};

/// One window of a document: tokens [begin, end) of it are read, those from `first_scored` on are
/// scored. Before the document's first token stands the boundary id, which counts as place -1.
struct Window {
  int64_t begin, end, first_scored;
};

/// Windows of at most `window` inputs, moved by `stride`: the first one scores everything, later
/// ones only what no earlier one scored. Every token of the document is scored exactly once.
std::vector<Window> windows(int64_t n_tokens, int64_t window, int64_t stride);

/// The first documents of a shard until `max_tokens` are reached (0 = all), where a document counts
/// with at most `max_document_tokens` (0 = whole).
std::vector<int64_t> evaluation_documents(const TokenShard& shard, int64_t max_tokens,
                                          int64_t max_document_tokens);

}  // namespace sublab

// Documents end to end or one to a row, in the order of a seed.
#include "data/packing.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/random.h"

namespace sublab {
std::vector<int64_t> evaluation_documents(const TokenShard& shard, int64_t max_tokens,
                                          int64_t max_document_tokens) {
  std::vector<int64_t> documents;
  int64_t tokens = 0;
  for (int64_t d = 0; d < shard.n_documents(); ++d) {
    if (max_tokens > 0 && tokens >= max_tokens) break;
    documents.push_back(d);
    tokens += max_document_tokens > 0 ? std::min(shard.n_tokens(d), max_document_tokens)
                                      : shard.n_tokens(d);
  }
  return documents;
}

std::vector<int64_t> training_documents(const TokenShard& shard, int64_t unique_tokens) {
  return evaluation_documents(shard, unique_tokens, 0);
}

PackedDocuments::PackedDocuments(const TokenShard& shard, std::vector<int64_t> documents,
                                 int32_t boundary_id, int64_t vocab_size, int64_t context_len,
                                 bool split_at_documents, uint64_t seed,
                                 std::unique_ptr<DocumentSampler> sampler,
                                 std::unique_ptr<PositionSampler> positions)
    : shard_(shard),
      documents_(std::move(documents)),
      boundary_id_(boundary_id),
      vocab_size_(vocab_size),
      context_len_(context_len),
      split_at_documents_(split_at_documents),
      seed_(seed),
      sampler_(std::move(sampler)),
      positions_(std::move(positions)) {
  last_ = made(0);
  first_rows_ = {0, static_cast<int64_t>(last_->row_order.size())};
  if (rows_per_epoch() < 1)
    throw UserError("/data", "the corpora hold too little text for one row of data.context_len " +
                                 std::to_string(context_len_) + " tokens");
}

int64_t PackedDocuments::long_document_tokens() const {
  const int64_t own = sampler_->long_document_tokens();
  return own > 0 ? own : context_len_;
}

std::shared_ptr<const PackedDocuments::Epoch> PackedDocuments::made(int64_t number) const {
  auto out = std::make_shared<Epoch>();
  out->number = number;
  out->spans = sampler_->epoch(shard_, documents_, number);
  for (const DocumentSpan& span : out->spans) {
    out->starts.push_back(out->length);
    out->length += 1 + span.end - span.begin;
  }
  out->row_order.resize(std::max<int64_t>(0, (out->length - 1) / context_len_));
  std::iota(out->row_order.begin(), out->row_order.end(), int64_t{0});
  RandomSequence random(stream_key(seed_, "row_order", static_cast<uint64_t>(number)));
  random.shuffle(out->row_order);
  return out;
}

std::pair<std::shared_ptr<const PackedDocuments::Epoch>, int64_t> PackedDocuments::place_of(
    int64_t index) const {
  constexpr size_t kMostEmpty = 1000;  // epochs on end that a sampler leaves without a row
  const std::lock_guard guard(mutex_);
  while (first_rows_.back() <= index) {
    last_ = made(static_cast<int64_t>(first_rows_.size()) - 1);
    first_rows_.push_back(first_rows_.back() + static_cast<int64_t>(last_->row_order.size()));
    const size_t n = first_rows_.size();
    if (n > kMostEmpty && first_rows_[n - 1 - kMostEmpty] == first_rows_.back())
      throw UserError("/data/sampling", "leaves no row of data.context_len " +
                                            std::to_string(context_len_) + " tokens in " +
                                            std::to_string(kMostEmpty) + " epochs on end");
  }
  const auto next = std::upper_bound(first_rows_.begin(), first_rows_.end(), index);
  const int64_t number = next - first_rows_.begin() - 1;
  if (last_->number != number) last_ = made(number);
  return {last_, last_->row_order[index - *(next - 1)] * context_len_};
}

TokenRow PackedDocuments::row(int64_t index) const { return filled(pieces(index)); }

std::vector<RowPiece> PackedDocuments::pieces(int64_t index) const {
  const auto [stream, first] = place_of(index);
  return positions_->row(index, packed(*stream, first), shard_);
}

void PackedDocuments::visit_spans(
    int64_t index, const std::function<void(const DocumentSpan&, int64_t)>& visit) const {
  const auto [stream, first] = place_of(index);
  const auto& starts = stream->starts;
  // A row predicts what stands behind its first place, boundaries aside.
  const int64_t begin = first + 1, end = first + 1 + context_len_;
  size_t i = std::upper_bound(starts.begin(), starts.end(), begin) - starts.begin() - 1;
  for (; i < starts.size() && starts[i] < end; ++i) {
    const DocumentSpan& span = stream->spans[i];
    const int64_t first_token = starts[i] + 1, after = first_token + span.end - span.begin;
    if (const int64_t n = std::min(after, end) - std::max(first_token, begin); n > 0)
      visit(span, n);
  }
}

std::vector<RowPiece> PackedDocuments::packed(const Epoch& epoch, int64_t first) const {
  std::vector<RowPiece> out;
  const int64_t end = std::min(first + context_len_ + 1, epoch.length);
  size_t i =
      std::upper_bound(epoch.starts.begin(), epoch.starts.end(), first) - epoch.starts.begin() - 1;
  for (int64_t place = first; place < end; ++i) {
    const DocumentSpan& span = epoch.spans[i];
    const int64_t inside = place - epoch.starts[i];  // 0 = the boundary
    const int64_t n = std::min(1 + span.end - span.begin - inside, end - place);
    RowPiece piece;
    piece.document = span.document;
    piece.boundary = inside == 0;
    piece.begin = span.begin + inside - 1 + piece.boundary;
    piece.end = span.begin + inside - 1 + n;
    piece.starts_row = out.empty() || (split_at_documents_ && piece.boundary);
    if (!piece.starts_row) piece.position = out.back().position + out.back().n_places();
    out.push_back(piece);
    place += n;
  }
  return out;
}

TokenRow PackedDocuments::filled(const std::vector<RowPiece>& pieces) const {
  TokenRow out;
  std::vector<int64_t> ids;
  int64_t inputs = -1;  // the last place is a label alone
  for (const RowPiece& piece : pieces) inputs += piece.n_places();
  for (const RowPiece& piece : pieces)
    for (int64_t i = 0; i < piece.n_places(); ++i) {
      const bool begins = piece.boundary && i == 0;
      ids.push_back(
          begins ? boundary_id_
                 : shard_.token(shard_.begin(piece.document) + piece.begin + i - piece.boundary));
      if (static_cast<int64_t>(ids.size()) > inputs) break;
      if (piece.starts_row && i == 0) out.lengths.push_back(0);
      ++out.lengths.back();
      out.positions.push_back(piece.position + i);
    }
  out.tokens.assign(ids.begin(), ids.end() - 1);
  out.labels.assign(ids.begin() + 1, ids.end());
  return out;
}

std::vector<Window> windows(int64_t n_tokens, int64_t window, int64_t stride) {
  // Inputs are places -1 (the boundary) to n - 2; input place p predicts token p + 1.
  std::vector<Window> out;
  int64_t scored = 0;
  for (int64_t begin = -1; scored < n_tokens; begin += stride) {
    const int64_t end = std::min(begin + window, n_tokens - 1);  // inputs [begin, end)
    if (end + 1 > scored) out.push_back({begin, end, scored});
    scored = std::max(scored, end + 1);
  }
  return out;
}

}  // namespace sublab

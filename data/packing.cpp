#include "data/packing.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "core/random.h"

namespace sublab {
namespace {

class PlainSampler : public DocumentSampler {
 public:
  explicit PlainSampler(uint64_t seed) : seed_(seed) {}
  std::vector<int64_t> epoch(const TokenShard&, const std::vector<int64_t>& documents,
                             int64_t epoch) const override {
    std::vector<int64_t> order = documents;
    RandomSequence random(stream_key(seed_, "order", static_cast<uint64_t>(epoch)));
    random.shuffle(order);
    return order;
  }

 private:
  uint64_t seed_;
};

class ContiguousPositions : public PositionSampler {
 public:
  std::vector<int64_t> positions(int64_t, int64_t n) const override {
    std::vector<int64_t> out(n);
    std::iota(out.begin(), out.end(), int64_t{0});
    return out;
  }
};

}  // namespace

std::unique_ptr<DocumentSampler> plain_sampler(uint64_t seed) {
  return std::make_unique<PlainSampler>(seed);
}

std::unique_ptr<PositionSampler> contiguous_positions() {
  return std::make_unique<ContiguousPositions>();
}

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
  rows_per_epoch_ = static_cast<int64_t>(epoch(0)->row_order.size());
  if (rows_per_epoch_ < 1)
    throw UserError("/data", "the corpora hold too little text for one row of data.context_len " +
                                 std::to_string(context_len_) + " tokens");
}

std::shared_ptr<const PackedDocuments::Epoch> PackedDocuments::epoch(int64_t number) const {
  const std::lock_guard guard(mutex_);
  if (last_ && last_->number == number) return last_;
  auto made = std::make_shared<Epoch>();
  made->number = number;
  made->documents = sampler_->epoch(shard_, documents_, number);
  for (const int64_t document : made->documents) {
    made->starts.push_back(made->length);
    made->length += 1 + shard_.n_tokens(document);
  }
  made->row_order.resize(std::max<int64_t>(0, (made->length - 1) / context_len_));
  std::iota(made->row_order.begin(), made->row_order.end(), int64_t{0});
  RandomSequence random(stream_key(seed_, "row_order", static_cast<uint64_t>(number)));
  random.shuffle(made->row_order);
  last_ = made;
  return last_;
}

TokenRow PackedDocuments::row(int64_t index) const {
  const auto stream = epoch(index / rows_per_epoch_);
  // A sampler may make later epochs shorter; their rows then start over.
  const auto rows = static_cast<int64_t>(stream->row_order.size());
  const int64_t first =
      rows > 0 ? stream->row_order[(index % rows_per_epoch_) % rows] * context_len_ : 0;
  size_t i = std::upper_bound(stream->starts.begin(), stream->starts.end(), first) -
             stream->starts.begin() - 1;
  std::vector<int64_t> ids;
  TokenRow out;
  for (int64_t place = first; place <= first + context_len_ && place < stream->length; ++place) {
    if (i + 1 < stream->starts.size() && place == stream->starts[i + 1]) ++i;
    const int64_t inside = place - stream->starts[i] - 1;
    const bool begins = inside < 0;
    ids.push_back(begins ? boundary_id_
                         : shard_.token(shard_.begin(stream->documents[i]) + inside));
    const bool is_input = place < first + context_len_;
    if (is_input && (out.lengths.empty() || (split_at_documents_ && begins)))
      out.lengths.push_back(0);
    if (is_input) ++out.lengths.back();
  }
  out.tokens.assign(ids.begin(), ids.end() - 1);
  out.labels.assign(ids.begin() + 1, ids.end());
  for (const int64_t length : out.lengths) {
    const auto part = positions_->positions(index, length);
    out.positions.insert(out.positions.end(), part.begin(), part.end());
  }
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

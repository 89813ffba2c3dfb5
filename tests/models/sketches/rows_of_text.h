// What of the text training sees, and what position encoding is told: documents cut into parts,
// fewer of the short ones of each source, and positions that skip.
#pragma once

#include <algorithm>

#include "core/random.h"
#include "data/sampling.h"

namespace sublab {

struct SpanConfig {
  int64_t span = 8;

  template <class F>
  void fields(F& f) {
    f("span", span, "tokens of a part", within(1, 1 << 24));
  }
};

/// Documents in parts of `span` tokens, each a document of its own.
class CutSampler : public DocumentSampler {
 public:
  explicit CutSampler(const SpanConfig& config) : span_(config.span) {}
  std::vector<DocumentSpan> epoch(const TokenShard& shard, const std::vector<int64_t>& documents,
                                  int64_t) const override {
    std::vector<DocumentSpan> out;
    for (const int64_t d : documents)
      for (int64_t begin = 0; begin < shard.n_tokens(d); begin += span_)
        out.push_back({d, begin, std::min(begin + span_, shard.n_tokens(d))});
    return out;
  }

 private:
  int64_t span_;
};

struct UpsamplingConfig {
  int64_t long_from = 40;
  double keep_short = 0.1;

  template <class F>
  void fields(F& f) {
    f("long_from", long_from, "tokens from which a document is long", within(1, 1 << 24));
    f("keep_short", keep_short, "share of the others that is taken", within(0, 1));
  }
};

/// Every long document and a share of the short ones, until each source has given the tokens that
/// it has: its share of the epoch stays, from longer documents.
class SourceUpsampler : public DocumentSampler {
 public:
  SourceUpsampler(const UpsamplingConfig& config, const SamplingContext& context)
      : config_(config), seed_(context.seed) {}
  std::vector<DocumentSpan> epoch(const TokenShard& shard, const std::vector<int64_t>& documents,
                                  int64_t epoch) const override {
    std::vector<int64_t> budget;
    for (const int64_t d : documents) {
      budget.resize(std::max<size_t>(budget.size(), shard.source(d) + 1));
      budget[shard.source(d)] += shard.n_tokens(d);
    }
    std::vector<DocumentSpan> out;
    for (uint64_t turn = 0; turn < kMostTurns; ++turn)
      for (const int64_t d : documents) {
        int64_t& left = budget[shard.source(d)];
        const uint64_t coin = stream_key(
            seed_, "upsampling", mix_bits(turn + 1) ^ static_cast<uint64_t>(epoch) ^ shard.key(d));
        if (left <= 0 ||
            (shard.n_tokens(d) < config_.long_from && unit_interval(coin) >= config_.keep_short))
          continue;
        out.push_back({d, 0, std::min(shard.n_tokens(d), left)});
        left -= shard.n_tokens(d);
      }
    return out;
  }

 private:
  static constexpr uint64_t kMostTurns = 100;
  UpsamplingConfig config_;
  uint64_t seed_;
};

struct SkipConfig {
  int64_t target = 128;
  bool further = false;

  template <class F>
  void fields(F& f) {
    f("target", target, "length that positions reach", within(1, 1 << 24));
    f("further", further, "what stands after the skip is taken from further on in its document");
  }
};

/// As PoSE: a row in two parts, positions of the second moved by 0 to target - length.
class SkippingPositions : public PositionSampler {
 public:
  SkippingPositions(const SkipConfig& config, const PositionsContext& context)
      : config_(config), seed_(context.seed) {}
  std::vector<RowPiece> row(int64_t index, std::vector<RowPiece> packed,
                            const TokenShard& shard) const override {
    int64_t places = 0;
    for (const RowPiece& piece : packed) places += piece.n_places();
    RandomSequence random(stream_key(seed_, "skip", static_cast<uint64_t>(index)));
    const int64_t skip = random.below(std::max<int64_t>(config_.target - (places - 1) + 1, 1));
    int64_t first = 1 + random.below(std::max<int64_t>(places - 2, 1));
    std::vector<RowPiece> out;
    for (RowPiece piece : packed) {
      const int64_t n = piece.n_places();
      if (first > 0 && first < n) {  // the seam lies in this piece
        RowPiece before = piece;
        before.end = piece.begin + first - piece.boundary;
        piece.begin = before.end;
        piece.position += first;
        piece.boundary = piece.starts_row = false;
        out.push_back(before);
      }
      if (first < n) {
        piece.position += skip;
        const int64_t room = shard.n_tokens(piece.document) - piece.end;
        if (config_.further && !piece.boundary && room > 0) {
          const int64_t by = random.below(room + 1);
          piece.begin += by, piece.end += by;
        }
      }
      first -= n;
      out.push_back(piece);
    }
    return out;
  }

 private:
  SkipConfig config_;
  uint64_t seed_;
};

}  // namespace sublab

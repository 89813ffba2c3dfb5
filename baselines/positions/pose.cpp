// PoSE, positional skip-wise training (Zhu et al. 2023, arXiv:2309.10400; src/train_pose.py of
// dwzhu-pku/PoSE). A row of n tokens is cut into N chunks, the first tokens of which stand at
// places st_i. Position encoding is told that token t of chunk i stands at u_i + st_i + t, with
//
//   u_0 = 0,   u_i ~ U{u_{i-1}, ..., L_t - n},
//
// so that a row of n tokens shows distances up to L_t - 1. Attention stays causal over the row: who
// sees whom goes by place. Text after a skip is taken v_i tokens further on in its document,
//
//   v_0 = 0,   v_i ~ U{v_{i-1}, ..., L_x - n},   L_x = tokens of the document from the row's start.
//
// `paper`:    the N - 1 seams are any different places of the row, all sets alike likely.
// `released`: N = 2, the first chunk has U{1, ..., (n + 1) / 2} tokens, L_x is at most 5 rows, and
//             positions are drawn once per text. Its last token predicts the first one after the
//             skip, as any other token predicts its next.
//
// Deviations. The paper's examples are documents that fill a row; here packing says what a row
// holds and where it begins, the released form's rows too. A row that mixes documents skips within
// its last one, so that what stands before a document's beginning is no part of it, and a skip that
// falls elsewhere moves positions alone. With packing `document` each document of a row skips by
// itself. `fixed_across_epochs` keeps the draw of a row that begins with the same tokens.
#include <algorithm>
#include <optional>
#include <set>

#include "core/error.h"
#include "core/random.h"
#include "data/sampling.h"

namespace sublab {
namespace pose {

struct Config {
  std::string form = "paper";
  int64_t target_context_len = 0;
  int64_t chunks = 2;
  bool skip_text = true;
  std::optional<bool> fixed_across_epochs;

  template <class F>
  void fields(F& f) {
    f("form", form, "whose sampling: the paper's or the released script's",
      one_of({"paper", "released"}));
    f("target_context_len", target_context_len, "positions lie below this; must be given",
      within(1, 1e12));
    f("chunks", chunks, "contiguous parts of a row; the released form has 2", within(1, 1 << 24));
    f("skip_text", skip_text, "text after a skip is from further on in its document");
    f("fixed_across_epochs", fixed_across_epochs,
      "a row that begins with the same tokens has the same positions in every epoch; null = as "
      "the form: released true, paper false");
  }

  void validate(const std::string& path) const {
    if (target_context_len == 0)
      throw UserError(path + "/target_context_len",
                      "must be given: the length that positions should reach");
    if (form == "released" && chunks != 2)
      throw UserError(path + "/chunks", std::to_string(chunks) +
                                            " is not possible: the released form has 2 chunks; "
                                            "form 'paper' takes any number");
  }
  bool fixed() const { return fixed_across_epochs.value_or(form == "released"); }
};

/// From place `first` of the row on, positions are `skip` further.
struct Chunk {
  int64_t first = 0;
  int64_t skip = 0;
  int64_t text_skip = 0;
};

/// Places where the chunks of a row of `n` tokens begin, 0 the first.
std::vector<Chunk> chunks_of(const Config& config, int64_t n, RandomSequence& random) {
  std::vector<Chunk> out(1);
  if (config.form == "released") {
    const auto first = 1 + static_cast<int64_t>(random.below((n + 1) / 2));
    if (first < n) out.push_back({.first = first});
    return out;
  }
  // Floyd's sampling of distinct seams in {1, ..., n - 1}.
  const int64_t n_seams = std::min(config.chunks, n) - 1;
  std::set<int64_t> seams;
  for (int64_t most = n - n_seams; most < n; ++most) {
    const auto seam = 1 + static_cast<int64_t>(random.below(most));
    seams.insert(seams.contains(seam) ? most : seam);
  }
  for (const int64_t seam : seams) out.push_back({.first = seam});
  return out;
}

/// Uniform in {low, ..., high}.
int64_t between(int64_t low, int64_t high, RandomSequence& random) {
  return low + static_cast<int64_t>(random.below(static_cast<uint64_t>(high - low + 1)));
}

class Sampler : public PositionSampler {
 public:
  Sampler(const Config& config, const PositionsContext& context)
      : config_(config), seed_(context.seed), context_len_(context.context_len) {
    const std::string of_row =
        "data.context_len " + std::to_string(context_len_) + ", the tokens of a row";
    if (config.target_context_len < context_len_)
      throw UserError(context.where + "/target_context_len",
                      std::to_string(config.target_context_len) + " is below " + of_row);
    if (config.chunks > context_len_)
      throw UserError(context.where + "/chunks",
                      std::to_string(config.chunks) + " chunks are more than " + of_row);
  }

  std::vector<RowPiece> row(int64_t index, std::vector<RowPiece> packed,
                            const TokenShard& shard) const override {
    std::vector<RowPiece> out;
    for (size_t begin = 0; begin < packed.size();) {
      size_t end = begin + 1;
      while (end < packed.size() && !packed[end].starts_row) ++end;
      RandomSequence random(stream_key(seed_, "pose", key_of(index, packed[begin], shard), begin));
      add_skipping(
          {packed.begin() + static_cast<long>(begin), packed.begin() + static_cast<long>(end)},
          end == packed.size(), shard, random, out);
      begin = end;
    }
    return out;
  }
  int64_t positions_below(int64_t) const override { return config_.target_context_len; }

 private:
  /// What the draw of a row depends on beside the seed.
  uint64_t key_of(int64_t index, const RowPiece& first, const TokenShard& shard) const {
    if (!config_.fixed()) return static_cast<uint64_t>(index);
    return mix_bits(shard.key(first.document) ^ mix_bits(2 * first.begin + first.boundary));
  }

  /// Adds `pieces`, which see each other and nothing else. `labelled`: the last place is a label.
  void add_skipping(const std::vector<RowPiece>& pieces, bool labelled, const TokenShard& shard,
                    RandomSequence& random, std::vector<RowPiece>& out) const {
    int64_t n = labelled ? -1 : 0;
    for (const RowPiece& piece : pieces) n += piece.n_places();
    if (n < 1) return void(out.insert(out.end(), pieces.begin(), pieces.end()));
    std::vector<Chunk> chunks = chunks_of(config_, n, random);
    for (size_t i = 1; i < chunks.size(); ++i)
      chunks[i].skip = between(chunks[i - 1].skip, config_.target_context_len - n, random);
    const int64_t last_first = n + (labelled ? 1 : 0) - pieces.back().n_places();
    if (config_.skip_text) skip_text(pieces.back(), last_first, shard, random, chunks);
    int64_t place = 0;
    for (const RowPiece& piece : pieces) {
      add_parts(piece, place, chunks, out);
      place += piece.n_places();
    }
  }

  /// Text of the chunks that begin inside `piece`, the last one, whose first place is `first`.
  void skip_text(const RowPiece& piece, int64_t first, const TokenShard& shard,
                 RandomSequence& random, std::vector<Chunk>& chunks) const {
    constexpr int64_t kReleasedRows = 5;
    int64_t end = shard.n_tokens(piece.document);
    if (config_.form == "released") end = std::min(end, piece.begin + kReleasedRows * context_len_);
    const int64_t room = std::max<int64_t>(0, end - piece.end);
    for (size_t i = 1; i < chunks.size(); ++i)
      if (chunks[i].first > first)
        chunks[i].text_skip = between(chunks[i - 1].text_skip, room, random);
  }

  /// Cuts `piece`, whose first place in the row is `first`, where chunks begin.
  static void add_parts(const RowPiece& piece, int64_t first, const std::vector<Chunk>& chunks,
                        std::vector<RowPiece>& out) {
    const int64_t end = first + piece.n_places();
    for (size_t i = 0; i < chunks.size(); ++i) {
      const int64_t from = std::max(first, chunks[i].first);
      const int64_t to = i + 1 < chunks.size() ? std::min(end, chunks[i + 1].first) : end;
      if (from >= to) continue;
      const bool whole_start = from == first;
      RowPiece part = piece;
      part.boundary = whole_start && piece.boundary;
      part.starts_row = whole_start && piece.starts_row;
      // The place of the boundary is no token's.
      part.begin = piece.begin + (whole_start ? 0 : from - first - piece.boundary);
      part.end = piece.begin + to - first - piece.boundary;
      part.begin += chunks[i].text_skip, part.end += chunks[i].text_skip;
      part.position = piece.position + from - first + chunks[i].skip;
      out.push_back(part);
    }
  }

  Config config_;
  uint64_t seed_;
  int64_t context_len_;
};

}  // namespace pose

PositionsEntry pose_positions() {
  auto entry = entry_of<PositionsEntry, pose::Config, pose::Sampler>(
      "pose", "rows in chunks with skips between: a short row shows distances of a long one",
      "arXiv:2309.10400");
  entry.resolve = [](const json& choice, const std::string& path) {
    auto config = read_settings<pose::Config>(choice, path);
    config.fixed_across_epochs = config.fixed();
    json out = write_fields(config);
    out["type"] = "pose";
    return out;
  };
  entry.examples = {
      {"", {{"target_context_len", 256}}},
      {"released", {{"target_context_len", 256}, {"form", "released"}}},
      {"four chunks", {{"target_context_len", 256}, {"chunks", 4}, {"skip_text", false}}}};
  return entry;
}

}  // namespace sublab

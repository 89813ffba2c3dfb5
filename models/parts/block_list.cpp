// Passing a level's tokens through a list of blocks, with or without keeping what happens in them.
#include "models/parts/block_list.h"

#include <algorithm>

#include "models/parts/recompute.h"

namespace sublab {

BlockList::BlockList(const std::string& name, const BlockConfig& config, int64_t n_blocks,
                     AttentionParts parts, const Initial& initial, int64_t first_layer)
    : parts_(std::move(parts)), first_layer_(first_layer) {
  for (int64_t i = 0; i < n_blocks; ++i)
    blocks_.emplace_back(name + "." + std::to_string(i), config, initial);
}

RopeAngles BlockList::angles(const Rows& rows, int64_t declared_length) const {
  if (blocks_.empty()) return {};
  const at::TensorOptions options = blocks_.front().attention().options();
  return parts_.rope->angles(rows.positions(options.device()), declared_length, options);
}

LevelContext BlockList::level(const RowsPtr& rows, const Run& run, DecodeState* state,
                              int64_t level) const {
  LevelContext out;
  out.rows = rows;
  out.declared_length = sublab::declared_length(run, state);
  out.angles = angles(*rows, out.declared_length);
  out.parts = &parts_;
  out.run = &run;
  out.level = level;
  return out;
}

namespace {

/// The block keeps x and the key bias; everything else is made again in the backward pass, when
/// `level` is gone, so it holds a copy of it and of its run.
at::Tensor recomputed_block(const Block& block, const at::Tensor& x, const LevelContext& level,
                            int64_t layer) {
  struct Pass {
    LevelContext level;
    Run run;
  };
  const auto pass = std::make_shared<Pass>(Pass{level, *level.run});
  pass->level.key_bias = at::Tensor();
  return recomputed(
      [&block, pass, layer](const at::Tensor& input, const at::Tensor& bias) {
        const Run run = std::exchange(pass->run, pass->run.unheard());
        LevelContext again = pass->level;
        again.run = &run;
        again.key_bias = bias;
        return block(input, {.at = again, .layer = layer});
      },
      x, level.key_bias);
}

}  // namespace

at::Tensor BlockList::pass(int64_t i, const at::Tensor& x, const LevelContext& level,
                           KvCache* cache, BlockProbe* probe) const {
  if (x.size(0) == 0) return x;
  const int64_t layer = first_layer_ + i;
  if (level.run->recompute && !cache && !probe)
    return recomputed_block(blocks_[i], x, level, layer);
  return blocks_[i](x, {.at = level, .layer = layer, .cache = cache, .probe = probe});
}

at::Tensor BlockList::pass_range(int64_t begin, int64_t end, at::Tensor x,
                                 const LevelContext& level, BlockCaches* decoding) const {
  if (x.size(0) == 0 || begin == end) return x;
  std::vector<KvCache*> caches(end - begin, nullptr);
  if (decoding)
    for (int64_t i = begin; i < end; ++i) caches[i - begin] = decoding->of_block[i].get();
  const auto blocks = [this, begin, caches](at::Tensor x, const LevelContext& level) {
    for (size_t i = 0; i < caches.size(); ++i)
      x = pass(begin + static_cast<int64_t>(i), x, level, caches[i]);
    return x;
  };
  if (decoding && FixedSteps::serves(x, level, caches))
    return decoding->fixed.pass(begin, blocks, x, level, caches);
  return blocks(std::move(x), level);
}

std::unique_ptr<KvCache> BlockList::new_cache(int64_t i, int64_t n_rows, int64_t expected_tokens,
                                              bool biased) const {
  return blocks_[i].attention().new_cache(parts_, n_rows, expected_tokens, biased);
}

BlockCaches BlockList::new_caches(int64_t n_rows, int64_t expected_tokens) const {
  BlockCaches out;
  for (int64_t i = 0; i < size(); ++i)
    out.of_block.push_back(new_cache(i, n_rows, expected_tokens));
  return out;
}

void BlockList::add_parameters(std::vector<Parameter>& out) const {
  for (const Block& block : blocks_) block.add_parameters(out);
}

void BlockList::add_cost(int64_t i, PassShape shape, Ledger& ledger) const {
  shape.layer = first_layer_ + i;
  blocks_[i].add_cost(shape, *parts_.policy, ledger);
}

BlockCaches BlockCaches::fork(const std::vector<int64_t>& rows) const {
  BlockCaches out;
  for (const auto& cache : of_block) out.of_block.push_back(cache->fork(rows));
  return out;
}

int64_t BlockCaches::n_bytes() const {
  int64_t sum = 0;
  for (const auto& cache : of_block) sum += cache->n_bytes();
  return sum;
}

bool BlockCaches::clear() {
  return std::all_of(of_block.begin(), of_block.end(),
                     [](const auto& cache) { return cache->clear(); });
}

}  // namespace sublab

// Pieces of fixed shape: their inputs are copied to places of their own before each step.
#include "models/parts/fixed_steps.h"

#include <ATen/core/grad_mode.h>

#include <optional>

namespace sublab {
namespace fixed_steps {

FullKvCache* cache_of(KvCache* cache, const LevelContext& level) {
  return cache ? level.parts->policy->fixed_cache(*cache) : nullptr;
}

}  // namespace fixed_steps

/// What a piece reads, at the same place in every step.
struct FixedSteps::Piece {
  Piece(const Blocks& blocks, const at::Tensor& x_in, const LevelContext& like,
        std::vector<const void*> memory)
      : blocks(blocks), run(like.run->unheard()), level(like), memory(std::move(memory)) {
    const auto place = [](const at::Tensor& of) { return at::empty_like(of); };
    x = place(x_in);
    fixed = {place(like.rows->row_of_tokens(x_in.device())),
             place(like.rows->starts(x_in.device()))};
    if (like.angles.defined()) level.angles = {place(like.angles.cos), place(like.angles.sin)};
    level.run = &run;
    level.fixed = &fixed;
  }

  void set(const at::Tensor& x_in, const LevelContext& now) {
    x.copy_(x_in);
    fixed.row_M.copy_(now.rows->row_of_tokens(x.device()));
    fixed.past_B.copy_(now.rows->starts(x.device()));
    if (!level.angles.defined()) return;
    level.angles.cos.copy_(now.angles.cos);
    level.angles.sin.copy_(now.angles.sin);
  }

  /// The first time as it comes, from the second time on as one piece.
  at::Tensor step() {
    const auto work = [this] { return blocks(x, level); };
    if (n_steps++ == 0) return work();
    if (!replayed) replayed.emplace(x.device(), work);
    return (*replayed)();
  }

  Blocks blocks;
  Run run;
  LevelContext level;
  std::vector<const void*> memory;  ///< of the caches; another one makes the piece useless
  at::Tensor x;
  FixedStep fixed;
  int64_t n_steps = 0;
  std::optional<ReplayedWork> replayed;
};

FixedSteps::FixedSteps() = default;
FixedSteps::~FixedSteps() = default;
FixedSteps::FixedSteps(FixedSteps&&) noexcept = default;
FixedSteps& FixedSteps::operator=(FixedSteps&&) noexcept = default;

bool FixedSteps::serves(const at::Tensor& x, const LevelContext& level,
                        const std::vector<KvCache*>& caches) {
  if (x.is_cpu() || level.key_bias.defined() || level.parts->executor != local_attention() ||
      at::GradMode::is_enabled() || !level.rows->consecutive())
    return false;
  for (int64_t b = 0; b < level.rows->n_rows(); ++b)
    if (level.rows->length(b) > 1) return false;
  return std::all_of(caches.begin(), caches.end(),
                     [&](KvCache* cache) { return fixed_steps::cache_of(cache, level); });
}

at::Tensor FixedSteps::pass(int64_t first, const Blocks& blocks, const at::Tensor& x,
                            const LevelContext& level, const std::vector<KvCache*>& caches) {
  std::vector<const void*> memory;
  for (KvCache* each : caches) {
    FullKvCache& cache = *fixed_steps::cache_of(each, level);
    cache.take_up(*level.rows);
    memory.push_back(cache.memory().const_data_ptr());
  }
  std::unique_ptr<Piece>& piece = pieces_[{first, x.size(0)}];
  if (!piece || piece->memory != memory)
    piece = std::make_unique<Piece>(blocks, x, level, std::move(memory));
  piece->set(x, level);
  return piece->step();
}

}  // namespace sublab

// One stack of Zipformer, and what decoding keeps of all of them.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "baselines/architectures/token_groups.h"
#include "baselines/architectures/zipformer_config.h"

namespace sublab::zipformer {

/// Blocks of one width at one rate, and the ways in and out.
struct Rung {
  Rung(const std::string& name, int64_t rate, int64_t n_blocks, const DecoderConfig& config,
       double bypass_init, AttentionParts attention, const Initial& initial, int64_t first_layer)
      : name(name),
        rate(rate),
        width(config.d_model),
        first_layer(first_layer),
        parts(attention),
        blocks(name + ".layers", config, n_blocks, std::move(attention), initial, first_layer) {
    if (rate == 1) return;
    downsample = constant_parameter({rate}, 0, initial);
    bypass = constant_parameter({width}, bypass_init, initial);
  }

  std::string name;
  int64_t rate, width, first_layer;
  AttentionParts parts;
  BlockList blocks;
  at::Tensor downsample;  // b [k]; undefined at rate 1
  at::Tensor bypass;      // s [w]; undefined at rate 1
};

struct State : DecodeState {
  explicit State(int64_t n_rows) : DecodeState(n_rows) {}
  State(const State& of, const std::vector<int64_t>& rows) : DecodeState(of, rows) {
    for (const BlockCaches& list : of.caches) caches.push_back(list.fork(rows));
    for (const OpenGroups& open : of.groups) groups.push_back(open.fork(rows));
  }
  int64_t n_bytes() const override {
    int64_t sum = 0;
    for (const BlockCaches& list : caches) sum += list.n_bytes();
    for (const OpenGroups& open : groups) sum += open.n_bytes();
    return sum;
  }
  std::unique_ptr<DecodeState> fork(const std::vector<int64_t>& rows) const override {
    return std::make_unique<State>(*this, rows);
  }
  std::vector<BlockCaches> caches;  // of each stack
  std::vector<OpenGroups> groups;   // of each stack
};

}  // namespace sublab::zipformer

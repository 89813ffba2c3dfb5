// A ladder of two widths: means of k tokens pass through a narrower list of blocks. What a group
// says reaches its last token and those behind it, so nothing looks ahead; in steps the coarse list
// advances once per k tokens.
#pragma once

#include "models/parts/decoder.h"
#include "tests/models/sketches/sketch.h"

namespace sublab {

class Ladder : public Sketch {
 public:
  static constexpr int64_t kGroup = 3, kNarrow = 16;

  explicit Ladder(int64_t vocab_size)
      : Sketch(vocab_size),
        fine_("model.fine", sizes(kWidth), 2, full_attention(plain_rope(8, 10000)), 1),
        coarse_("model.coarse", sizes(kNarrow), 2, full_attention(plain_rope(4, 10000)), 1, 2),
        down_("model.down", kWidth, kNarrow, 1),
        up_("model.up", kNarrow, kWidth, 1) {}

  std::unique_ptr<DecodeState> new_state(int64_t n_rows, int64_t expected) const override {
    auto out = std::make_unique<State>(n_rows, fine_.new_caches(n_rows, expected));
    out->coarse = coarse_.new_caches(n_rows, expected / kGroup);
    out->open.assign(n_rows, at::empty({0, kWidth}, ends_.options()));
    out->last.assign(n_rows, at::zeros({1, kWidth}, ends_.options()));
    return out;
  }

  at::Tensor forward(const Batch& batch, at::Tensor x, DecodeState* given,
                     const Run& run) const override {
    const Rows& rows = *batch.rows;
    const auto fresh = given ? nullptr : new_state(rows.n_rows(), 0);
    auto& state = static_cast<State&>(given ? *given : *fresh);
    const auto fine = [&](int64_t i) { return given ? state.caches.of_block[i].get() : nullptr; };
    const LevelContext level = fine_.level(batch.rows, run, given);
    x = fine_.pass(0, x, level, fine(0));
    std::vector<at::Tensor> groups, added;
    std::vector<int64_t> lengths, starts;
    for (int64_t b = 0; b < rows.n_rows(); ++b) {
      const at::Tensor all = at::cat({state.open[b], row_of(x, rows, b)});
      lengths.push_back(all.size(0) / kGroup);
      starts.push_back(rows.start(b) / kGroup);
      groups.push_back(
          all.slice(0, 0, lengths[b] * kGroup).view({lengths[b], kGroup, kWidth}).mean(1));
      state.open[b] = all.slice(0, lengths[b] * kGroup);
      if (run.activity)
        run.activity->count("groups_advanced", static_cast<double>(lengths[b]),
                            static_cast<double>(rows.length(b)), {.layer = 2, .level = 1});
    }
    const RowsPtr coarse_rows = Rows::contiguous(lengths, starts);
    const LevelContext coarse = coarse_.level(coarse_rows, run, given, 1);
    at::Tensor y = down_(at::cat(groups));
    y = up_(given ? coarse_.pass_all(y, coarse, &state.coarse) : coarse_.pass_all(y, coarse));
    for (int64_t b = 0; b < rows.n_rows(); ++b) {
      const at::Tensor known = at::cat({state.last[b], row_of(y, *coarse_rows, b)});
      std::vector<int64_t> of;  // which group's output each token takes
      for (int64_t i = 0; i < rows.length(b); ++i)
        of.push_back((rows.start(b) + i + 1) / kGroup - starts[b]);
      added.push_back(known.index_select(0, at::tensor(of, at::kLong)));
      state.last[b] = known.slice(0, known.size(0) - 1);
    }
    x = fine_.pass(1, x + at::cat(added), level, fine(1));
    if (given) given->advance(rows);
    return ends_.final_norm(x);
  }

  void add_cost(const CostShape& shape, Ledger& ledger) const override {
    std::vector<double> tokens(shape.new_tokens.begin(), shape.new_tokens.end()),
        past(shape.past_tokens.begin(), shape.past_tokens.end());
    double n = 0;
    for (const double t : tokens) n += t;
    for (int64_t i = 0; i < 2; ++i)
      fine_.add_cost(i, {.new_tokens = tokens, .past_tokens = past}, ledger);
    for (double& t : tokens) t /= kGroup;
    for (double& t : past) t /= kGroup;
    for (int64_t i = 0; i < 2; ++i)
      coarse_.add_cost(i, {.level = 1, .new_tokens = tokens, .past_tokens = past}, ledger);
    ledger.add(
        linear_cost("ladder", -1, 1, n / kGroup, 2 * kWidth, kNarrow, shape.bytes_per_number));
    ends_.add_cost(n, 8, shape, ledger);
  }

 private:
  struct State : DecoderState {
    using DecoderState::DecoderState;
    State(const State& of, const std::vector<int64_t>& rows)
        : DecoderState(of, rows),
          coarse(of.coarse.fork(rows)),
          open(copied(of.open, rows)),
          last(copied(of.last, rows)) {}
    std::unique_ptr<DecodeState> fork(const std::vector<int64_t>& rows) const override {
      return std::make_unique<State>(*this, rows);
    }
    int64_t n_bytes() const override {
      return DecoderState::n_bytes() + coarse.n_bytes() + bytes_of(open) + bytes_of(last);
    }
    BlockCaches coarse;
    std::vector<at::Tensor> open, last;  // tokens of the unfinished group; what the last one said
  };
  static BlockConfig sizes(int64_t width) {
    return {.d_model = width,
            .n_layers = 4,
            .n_heads = 4,
            .n_kv_heads = 2,
            .head_dim = width / 4,
            .d_ff = 2 * width};
  }
  void add_middle(std::vector<Parameter>& out) const override {
    for (const BlockList* list : {&fine_, &coarse_}) list->add_parameters(out);
    for (const Linear* map : {&down_, &up_}) map->add_parameters(out);
  }
  BlockList fine_, coarse_;
  Linear down_, up_;
};

}  // namespace sublab

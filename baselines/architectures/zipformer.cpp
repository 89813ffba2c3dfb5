// Zipformer's ladder of rates (arXiv:2310.11230; icefall, zipformer.py) as a decoder of tokens.
// Stack i has width w_i and sees groups of k_i tokens. On x, cut off or filled up with zeros to w_i
// channels:
//
//   y_j = sum_m softmax(b)_m x_(m-th token of group j),  b [k] from 0;   y <- blocks(y)
//   x <- x + s * (y_g(t) - x),  s [w_i] from 0.5              (a stack of rate 1: x <- blocks(x))
//
// The output takes each channel from the latest stack that has it. In training s is held above a
// limit that falls from 0.9 to 0.2 (models/parts/bypass.h). Groups are causal: token_groups.h; in
// front of a row stands its first token, so that a constant stays one. `zipformer_noncausal` has
// the published groups jk .. jk+k-1, which look up to k-1 tokens ahead; it computes its rows anew
// in each step, and is there for the audit to catch.
//
// Deviations: blocks are those of Llama here, so that every rope, execution and cache policy works
// in them; convolutions, BiasNorm, the non-linear attention, SwooshR/L, the bypass of each layer,
// whitening and balancers are not reproduced. The position of a group is that of its last token.
// Widths go by heads of one width, feed-forward parts with them.
#include <algorithm>
#include <cmath>
#include <map>

#include "baselines/architectures/stacks.h"
#include "baselines/architectures/zipformer_stack.h"
#include "models/ascending_rows.h"
#include "models/entries/architecture.h"

namespace sublab {
namespace zipformer {

/// The first `width` channels, or zeros behind those there are.
at::Tensor with_width(const at::Tensor& x, int64_t width) {
  const int64_t more = width - x.size(1);
  if (more == 0) return x;
  return more > 0 ? at::constant_pad_nd(x, {0, more}, 0) : x.slice(1, 0, width).contiguous();
}

class Zipformer : public LanguageModel {
 public:
  Zipformer(const Config& config, int64_t vocab_size, const Initial& initial, const Parts& parts)
      : Zipformer(config, vocab_size, initial, parts, /*causal=*/true) {}

  at::Tensor embed(const at::Tensor& tokens) const override {
    return at::embedding(embedding_, tokens);
  }
  const at::Tensor& head_weight() const override { return config_.tied_head ? embedding_ : head_; }
  at::Tensor forward(const Batch& batch, at::Tensor x, DecodeState* state,
                     const Run& run) const override {
    const AscendingRows ordered = AscendingRows::whole(batch.rows, "groups of tokens");
    x = ladder(ordered.rows, ordered.ordered(x), static_cast<State*>(state),
               declared_length(run, state), run);
    if (state) state->advance(*batch.rows);
    return norm_(ordered.as_given(x));
  }
  std::unique_ptr<DecodeState> new_state(int64_t n_rows, int64_t expected_tokens) const override;
  std::vector<Parameter> parameters() const override;
  void add_cost(const CostShape& shape, Ledger& ledger) const override;

 protected:
  Zipformer(const Config& config, int64_t vocab_size, const Initial& initial, const Parts& parts,
            bool causal);
  /// x [N, w_0] -> [N, D] through all stacks.
  at::Tensor ladder(const RowsPtr& rows, at::Tensor x, State* state, int64_t declared_length,
                    const Run& run) const;
  /// All stacks over `tokens`.
  void add_stack_cost(const LevelTokens& tokens, const CostShape& shape, Ledger& ledger) const;
  void add_head_cost(const CostShape& shape, Ledger& ledger) const;
  const at::Tensor& embedding() const { return embedding_; }
  const Norm& final_norm() const { return norm_; }

 private:
  at::Tensor pass(size_t i, const at::Tensor& x, const LevelContext& level,
                  const TokenGroups& groups, State* state) const;
  /// s of a stack as this run sees it.
  at::Tensor bypass_of(size_t i, const Run& run) const;

  Config config_;
  bool causal_;
  at::Tensor embedding_;  // [V, w_0]
  std::vector<Rung> stacks_;
  Norm norm_;
  at::Tensor head_;  // [V, D]; undefined where it is the embedding
};

Zipformer::Zipformer(const Config& config, int64_t vocab_size, const Initial& initial,
                     const Parts& parts, bool causal)
    : config_(config),
      causal_(causal),
      embedding_(normal_parameter("model.embed_tokens.weight",
                                  {vocab_size, config.of_stack(0).d_model}, config.embedding_std,
                                  initial)),
      norm_("model.norm", config.d_model, config.norm_epsilon, initial) {
  int64_t layer = 0;
  for (const Stack& stack : parse_stacks(config.stacks, "/model/stacks")) {
    const DecoderConfig sizes = config.of_stack(stacks_.size());
    stacks_.emplace_back("model.stacks." + std::to_string(stacks_.size()), stack.rate, stack.layers,
                         sizes, config.bypass_init, config.attention(sizes, parts), initial, layer);
    layer += stack.layers;
  }
  const auto d = static_cast<double>(config.d_model);
  if (!config.tied_head)
    head_ = normal_parameter("lm_head.weight", {vocab_size, config.d_model},
                             config.init_std > 0 ? config.init_std : 1 / std::sqrt(d), initial);
}

at::Tensor Zipformer::ladder(const RowsPtr& rows, at::Tensor x, State* state,
                             int64_t declared_length, const Run& run) const {
  std::map<int64_t, TokenGroups> groups;  // by rate
  std::vector<at::Tensor> outputs;
  for (size_t i = 0; i < stacks_.size(); ++i) {
    const Rung& stack = stacks_[i];
    x = with_width(x, stack.width);
    const bool coarse = stack.rate > 1;
    if (coarse && !groups.contains(stack.rate))
      groups[stack.rate] = causal_ ? fixed_groups(*rows, stack.rate, RowFront::first_token,
                                                  state != nullptr, x.device())
                                   : leaking_groups(*rows, stack.rate, x.device());
    LevelContext level;
    level.rows = coarse ? groups[stack.rate].rows : rows;
    level.parts = &stack.parts;
    level.run = &run;
    level.level = coarse;
    level.declared_length = declared_length;
    level.angles =
        stack.parts.rope->angles(level.rows->positions(x.device()), declared_length, x.options());
    x = coarse ? pass(i, x, level, groups[stack.rate], state)
               : stack.blocks.pass_all(x, level, state ? &state->caches[i] : nullptr);
    outputs.push_back(x);
  }
  std::vector<at::Tensor> channels;
  int64_t have = 0;
  for (size_t i = outputs.size(); i-- > 0 && have < config_.d_model;) {
    if (stacks_[i].width <= have) continue;
    channels.push_back(outputs[i].slice(1, have));
    have = stacks_[i].width;
  }
  return channels.size() == 1 ? channels[0] : at::cat(channels, 1);
}

at::Tensor Zipformer::pass(size_t i, const at::Tensor& x, const LevelContext& level,
                           const TokenGroups& groups, State* state) const {
  const Rung& stack = stacks_[i];
  OpenGroups* open = state ? &state->groups[i] : nullptr;
  if (level.run->activity)
    level.run->activity->count("groups_advanced", static_cast<double>(groups.n()),
                               static_cast<double>(x.size(0)),
                               {.layer = stack.first_layer, .level = level.level});
  const at::Tensor weights = stack.downsample.softmax(0).view({1, stack.rate, 1});
  at::Tensor y = (group_members(x, groups, open) * weights).sum(1);
  y = stack.blocks.pass_all(y, level, state ? &state->caches[i] : nullptr);
  return at::lerp(x, repeated(y, groups, open), bypass_of(i, *level.run));
}

at::Tensor Zipformer::bypass_of(size_t i, const Run& run) const {
  const bool fractions = config_.schedule == "fractions";
  const double low = ramped(config_.bypass_low_start, config_.bypass_low_end,
                            fractions ? config_.bypass_ramp : kPaperBypassSteps,
                            fractions ? run.progress : double(run.step));
  return limited_bypass(stacks_[i].bypass, low, config_.bypass_probability, static_cast<int64_t>(i),
                        run);
}

std::unique_ptr<DecodeState> Zipformer::new_state(int64_t n_rows, int64_t expected_tokens) const {
  auto out = std::make_unique<State>(n_rows);
  for (const Rung& stack : stacks_) {
    out->caches.push_back(stack.blocks.new_caches(n_rows, expected_tokens / stack.rate + 1));
    out->groups.emplace_back(n_rows, stack.rate, stack.width, /*slices=*/stack.rate > 1,
                             embedding_.options());
  }
  return out;
}

std::vector<Parameter> Zipformer::parameters() const {
  std::vector<Parameter> out{{"model.embed_tokens.weight", embedding_, 1.0, true}};
  for (const Rung& stack : stacks_) {
    stack.blocks.add_parameters(out);
    if (stack.rate == 1) continue;
    out.push_back({stack.name + ".downsample.bias", stack.downsample, 1.0, false});
    out.push_back({stack.name + ".bypass_scale", stack.bypass, 1.0, false});
  }
  norm_.add_parameters(out);
  if (!config_.tied_head) out.push_back({"lm_head.weight", head_, 1.0, true});
  return out;
}

void Zipformer::add_stack_cost(const LevelTokens& tokens, const CostShape& shape,
                               Ledger& ledger) const {
  for (const Rung& stack : stacks_) {
    if (stack.rate == 1) {
      tokens.add_cost(stack.blocks, 0, shape, ledger);
      continue;
    }
    tokens.grouped(stack.rate).add_cost(stack.blocks, 1, shape, ledger);
    // Members and their products, and both sides of the bypass.
    ledger.add({.part = "resampling",
                .level = 1,
                .tokens = tokens.n(),
                .activation_bytes =
                    4 * tokens.n() * static_cast<double>(stack.width) * shape.bytes_per_number});
  }
}

void Zipformer::add_head_cost(const CostShape& shape, Ledger& ledger) const {
  const double n = LevelTokens(shape).n(), bytes = shape.bytes_per_number;
  const auto d = static_cast<double>(config_.d_model), v = static_cast<double>(vocab_size());
  LedgerLine line = linear_cost("head", -1, 0, n, d, v, bytes);
  line.activation_bytes =
      (n * (Norm::kept_numbers(d, bytes, shape.plain) + static_cast<double>(config_.head_dim) + d) +
       v * d) *
      bytes;
  ledger.add(line);
}

void Zipformer::add_cost(const CostShape& shape, Ledger& ledger) const {
  add_stack_cost(LevelTokens(shape), shape, ledger);
  add_head_cost(shape, ledger);
}

/// Looks ahead, so that nothing of a row's past may be kept but its tokens.
class NoncausalZipformer : public Zipformer {
 public:
  NoncausalZipformer(const Config& config, int64_t vocab_size, const Initial& initial,
                     const Parts& parts)
      : Zipformer(config, vocab_size, initial, parts, /*causal=*/false) {}

  at::Tensor forward(const Batch& batch, at::Tensor x, DecodeState* state,
                     const Run& run) const override;
  std::unique_ptr<DecodeState> new_state(int64_t n_rows, int64_t) const override {
    return std::make_unique<Seen>(n_rows, embedding().new_zeros({0, embedding().size(1)}));
  }
  /// Each step passes the whole rows once more.
  void add_cost(const CostShape& shape, Ledger& ledger) const override {
    LevelTokens all(shape);
    for (size_t b = 0; b < all.tokens.size(); ++b) all.tokens[b] += std::exchange(all.past[b], 0);
    all.single = false;
    add_stack_cost(all, shape, ledger);
    add_head_cost(shape, ledger);
  }

 private:
  struct Seen : DecodeState {
    Seen(int64_t n_rows, const at::Tensor& nothing)
        : DecodeState(n_rows), x(n_rows, nothing), positions(n_rows, at::empty({0}, at::kLong)) {}
    Seen(const Seen& of, const std::vector<int64_t>& rows) : DecodeState(of, rows) {
      for (const int64_t row : rows) {
        x.push_back(of.x[row]);
        positions.push_back(of.positions[row]);
      }
    }
    int64_t n_bytes() const override {
      int64_t sum = 0;
      for (const at::Tensor& row : x) sum += static_cast<int64_t>(row.nbytes());
      return sum;
    }
    std::unique_ptr<DecodeState> fork(const std::vector<int64_t>& rows) const override {
      return std::make_unique<Seen>(*this, rows);
    }
    std::vector<at::Tensor> x, positions;  // of each row
  };
};

at::Tensor NoncausalZipformer::forward(const Batch& batch, at::Tensor x, DecodeState* state,
                                       const Run& run) const {
  if (!state) return Zipformer::forward(batch, std::move(x), nullptr, run);
  auto& seen = static_cast<Seen&>(*state);
  const AscendingRows ordered = AscendingRows::whole(batch.rows, "groups of tokens");
  const Rows& rows = *ordered.rows;
  x = ordered.ordered(x);
  const at::Tensor positions = rows.positions();
  std::vector<int64_t> lengths;
  for (int64_t b = 0; b < rows.n_rows(); ++b) {
    const int64_t begin = rows.begin(b), end = begin + rows.length(b);
    seen.x[b] = at::cat({seen.x[b], x.slice(0, begin, end)});
    seen.positions[b] = at::cat({seen.positions[b], positions.slice(0, begin, end)});
    lengths.push_back(rows.length(b) > 0 ? seen.x[b].size(0) : 0);
  }
  std::vector<at::Tensor> all, all_positions, out;
  for (int64_t b = 0; b < rows.n_rows(); ++b) {
    all.push_back(seen.x[b].slice(0, 0, lengths[b]));
    all_positions.push_back(seen.positions[b].slice(0, 0, lengths[b]));
  }
  const RowsPtr whole = Rows::with_positions(lengths, {}, at::cat(all_positions));
  const at::Tensor hidden = ladder(whole, at::cat(all), nullptr, declared_length(run, state), run);
  for (int64_t b = 0; b < rows.n_rows(); ++b) {
    const int64_t end = whole->begin(b) + whole->length(b);
    out.push_back(hidden.slice(0, end - rows.length(b), end));
  }
  state->advance(*batch.rows);
  return final_norm()(ordered.as_given(at::cat(out)));
}

/// A ladder of small stacks.
Example example(const char* name, const char* stacks, const std::vector<int64_t>& heads) {
  return {name,
          {{"stacks", stacks},
           {"stack_heads", heads},
           {"d_model", 32},
           {"n_heads", 4},
           {"n_kv_heads", 2}}};
}

}  // namespace zipformer

ArchitectureEntry zipformer_architecture() {
  auto entry = architecture_entry<zipformer::Zipformer, zipformer::Config>(
      "zipformer", "stacks of their own rate and width behind one another, each with a bypass",
      "arXiv:2310.11230");
  entry.examples = {zipformer::example("", "1@1 1@2 2@4 1@2", {2, 4, 4, 2}),
                    zipformer::example("16x", "1@1 1@16 1@1", {})};
  return entry;
}

ArchitectureEntry zipformer_noncausal_architecture() {
  auto entry = architecture_entry<zipformer::NoncausalZipformer, zipformer::Config>(
      "zipformer_noncausal",
      "zipformer with the published groups, which look ahead: to be caught by the audit",
      "arXiv:2310.11230");
  entry.expects = "leaks";
  entry.examples = {zipformer::example("", "1@1 1@4 1@1", {})};
  return entry;
}

}  // namespace sublab

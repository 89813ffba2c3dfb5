// Mixture-of-Depths (arXiv:2404.02258): in some blocks, every other one, only the tokens that a
// router chooses take part; the others pass the block by. With f the block's residual branch
// (attention and feed-forward part) over the chosen tokens alone, at their original positions,
//
//   r_i = w . x_i,   x_i <- x_i + r_i f(X_chosen)_i  where chosen,   x_i <- x_i elsewhere.
//
// Training chooses the K = C T highest r of each row, which looks at later tokens. A causal pass
// decides token by token, by one of three rules:
//
//   auxiliary_loss  r > 0, taught by binary cross-entropy of r against membership in the K highest;
//   predictor       p > 0 of a small net p(x) on the detached stream, taught by the same targets;
//   scores          the evaluating selector on r alone: expert_threshold (arXiv:2603.11535).
//
// Differences from the paper, which has no code: its text was not available in full, so the weight
// of the auxiliary loss and the predictor's shape are ours; retention rounds up; at retention 1
// everything is chosen in evaluation too, still weighed by r.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "baselines/architectures/mixture_of_depths_config.h"
#include "baselines/architectures/mixture_of_depths_predictor.h"
#include "models/entries/architecture.h"
#include "models/kernels/subsample.h"
#include "models/parts/decoder.h"

namespace sublab {
namespace mixture_of_depths {

/// A block that only chosen tokens pass.
struct Routed {
  int64_t block;
  Router router;
  std::optional<Predictor> predictor;
};

struct State : DecoderState {
  State(int64_t n_rows, BlockCaches caches, const std::vector<Routed>& routed)
      : DecoderState(n_rows, std::move(caches)), routed(&routed) {
    remember_nothing();
  }
  int64_t n_bytes() const override {
    int64_t sum = DecoderState::n_bytes();
    for (const RouterMemory& memory : memories) sum += memory.n_bytes();
    return sum;
  }
  std::unique_ptr<DecodeState> fork(const std::vector<int64_t>& rows) const override {
    return std::unique_ptr<DecodeState>(new State(*this, rows));
  }
  bool clear() override {
    remember_nothing();
    return clear_caches();
  }
  const std::vector<Routed>* routed;  ///< the model outlives its states
  std::vector<RouterMemory> memories;

 private:
  State(const State& of, const std::vector<int64_t>& rows)
      : DecoderState(of, rows), routed(of.routed) {
    for (const RouterMemory& memory : of.memories) memories.push_back(memory.fork(rows));
  }
  void remember_nothing() {
    memories.clear();
    for (const Routed& each : *routed)
      memories.push_back(each.router.new_memory(static_cast<int64_t>(lengths().size())));
  }
};

class MixtureOfDepths : public LanguageModel {
 public:
  MixtureOfDepths(const Config& config, int64_t vocab_size, const Initial& initial,
                  const Parts& parts);

  at::Tensor embed(const at::Tensor& tokens) const override { return decoder_.ends.embed(tokens); }
  at::Tensor forward(const Batch& batch, at::Tensor x, DecodeState* given,
                     const Run& run) const override;
  const at::Tensor& head_weight() const override { return decoder_.ends.head_weight(); }
  std::unique_ptr<DecodeState> new_state(int64_t n_rows, int64_t expected_tokens) const override;
  std::vector<Parameter> parameters() const override;
  std::vector<Buffer> buffers() const override;
  void add_cost(const CostShape& shape, Ledger& ledger) const override;
  std::vector<SelectionSite> selection_sites() const override {
    std::vector<SelectionSite> out;
    for (const Routed& each : routed_)
      out.push_back({.level = 1,
                     .retention = each.router.retention(),
                     .foretold = each.router.decides_by_threshold()});
    return out;
  }
  void prepare(const std::vector<Batch>& batches) override {
    for (Routed& each : routed_) each.router.prepare(batches);
  }
  void calibrate(const std::vector<Batch>& batches) override {
    std::vector<Router*> routers;
    for (Routed& each : routed_) routers.push_back(&each.router);
    calibrate_routers(*this, routers, batches);
  }
  void graft(const std::set<std::string>& missing, const std::string& where) override;

 private:
  at::Tensor pass_routed(const Routed& routed, const at::Tensor& x, const LevelView& view,
                         const LevelContext& level, RouterMemory& memory, BlockCaches* caches,
                         const Run& run) const;
  void add_loss(const at::Tensor& predicted, const Selection& chosen, const Run& run) const;
  void add_routed_cost(size_t site, const CostShape& shape, Ledger& ledger) const;

  Config config_;
  Decoder decoder_;
  std::vector<Routed> routed_;
};

MixtureOfDepths::MixtureOfDepths(const Config& config, int64_t vocab_size, const Initial& initial,
                                 const Parts& parts)
    : config_(config), decoder_(config, vocab_size, initial, config.attention(config, parts)) {
  for (const int64_t block : config.routed("/model")) {
    const auto site = static_cast<int64_t>(routed_.size());
    const std::string layer = "model.layers." + std::to_string(block);
    ScorerContext context;
    context.name = layer + ".router";
    context.site = site;
    context.d_model = config.d_model;
    context.vocab_size = vocab_size;
    context.query_width = config.q_width();
    context.norm_epsilon = config.norm_epsilon;
    context.retention = config.retention_at(site);
    context.initial = initial;
    context.tensor_options = decoder_.ends.options();
    std::optional<Predictor> predictor;
    if (config.decision == "predictor" && context.retention < 1)
      predictor.emplace(layer + ".predictor", config, initial);
    routed_.push_back({block, Router(config, context, parts), std::move(predictor)});
  }
}

at::Tensor MixtureOfDepths::forward(const Batch& batch, at::Tensor x, DecodeState* given,
                                    const Run& run) const {
  auto* state = static_cast<State*>(given);
  std::vector<RouterMemory> fresh;
  if (!state)
    for (const Routed& each : routed_)
      fresh.push_back(each.router.new_memory(batch.rows->n_rows()));
  auto& memories = state ? state->memories : fresh;
  BlockCaches* caches = state ? &state->caches : nullptr;
  const LevelContext level = decoder_.blocks.level(batch.rows, run, given);
  int64_t next = 0;
  for (size_t site = 0; site < routed_.size(); ++site) {
    const Routed& routed = routed_[site];
    const bool probed = routed.router.needs_attention();
    BlockProbe probe;
    x = decoder_.blocks.pass_range(next, routed.block - probed, x, level, caches);
    if (probed)
      x = decoder_.blocks.pass(routed.block - 1, x, level,
                               caches ? caches->of_block[routed.block - 1].get() : nullptr, &probe);
    LevelView view{x, *batch.rows, batch.tokens, batch.hints};
    if (routed.router.needs_readout()) view.readout = &decoder_.ends;
    if (probe.q_NHK.defined()) view.probe = &probe;
    x = pass_routed(routed, x, view, level, memories[site], caches, run);
    next = routed.block + 1;
  }
  x = decoder_.blocks.pass_range(next, decoder_.blocks.size(), x, level, caches);
  if (given) given->advance(*batch.rows);
  return decoder_.ends.final_norm(x);
}

/// The change of a chosen token, weighed; a weight of 1 gives the block's output to the last bit.
at::Tensor MixtureOfDepths::pass_routed(const Routed& routed, const at::Tensor& x,
                                        const LevelView& view, const LevelContext& level,
                                        RouterMemory& memory, BlockCaches* caches,
                                        const Run& run) const {
  at::Tensor predicted;
  if (routed.predictor) predicted = (*routed.predictor)(x);
  const Selection chosen = routed.router.decide(view, memory, run, predicted);
  if (routed.router.retention() < 1) add_loss(predicted, chosen, run);
  const int64_t n_chosen = chosen.index.size(0);
  if (run.activity)
    run.activity->count("routed", static_cast<double>(n_chosen), static_cast<double>(x.size(0)),
                        {routed.block, 0});
  if (n_chosen == 0) return x;
  LevelContext inner = level;
  inner.level = 1;
  inner.rows = level.rows->keep(chosen.index, chosen.lengths, chosen.starts);
  inner.angles = level.angles.keep(chosen.index);
  const at::Tensor before = gather_rows(x, chosen.index);
  const at::Tensor after =
      decoder_.blocks.pass_range(routed.block, routed.block + 1, before, inner, caches);
  return x.index_copy(0, chosen.index, at::lerp(before, after, chosen.weights.unsqueeze(1)));
}

void MixtureOfDepths::add_loss(const at::Tensor& predicted, const Selection& chosen,
                               const Run& run) const {
  if (run.mode != Mode::train || !run.losses || config_.decision == "scores") return;
  const at::Tensor& logits = predicted.defined() ? predicted : chosen.scores;
  if (logits.size(0) == 0) return;
  const at::Tensor in_training = at::zeros_like(logits.detach()).index_fill(0, chosen.index, 1);
  run.losses->add(predicted.defined() ? "predictor" : "router",
                  at::binary_cross_entropy_with_logits(logits, in_training),
                  config_.auxiliary_weight);
}

std::unique_ptr<DecodeState> MixtureOfDepths::new_state(int64_t n_rows,
                                                        int64_t expected_tokens) const {
  BlockCaches caches = decoder_.blocks.new_caches(n_rows, 0);
  for (int64_t i = 0; i < decoder_.blocks.size(); ++i) {
    const auto routed = std::find_if(routed_.begin(), routed_.end(),
                                     [&](const Routed& each) { return each.block == i; });
    const double share = routed == routed_.end() ? 1 : routed->router.retention();
    caches.of_block[i] = decoder_.blocks.new_cache(
        i, n_rows, static_cast<int64_t>(std::ceil(share * static_cast<double>(expected_tokens))));
  }
  return std::make_unique<State>(n_rows, std::move(caches), routed_);
}

std::vector<Parameter> MixtureOfDepths::parameters() const {
  std::vector<Parameter> out = decoder_.parameters();
  for (const Routed& each : routed_) {
    for (Parameter& parameter : each.router.parameters()) out.push_back(std::move(parameter));
    if (each.predictor)
      for (Parameter& parameter : each.predictor->parameters()) out.push_back(std::move(parameter));
  }
  return out;
}

std::vector<Buffer> MixtureOfDepths::buffers() const {
  std::vector<Buffer> out;
  for (const Routed& each : routed_)
    for (Buffer& buffer : each.router.buffers()) out.push_back(std::move(buffer));
  return out;
}

void MixtureOfDepths::add_cost(const CostShape& shape, Ledger& ledger) const {
  const std::vector<double> tokens(shape.new_tokens.begin(), shape.new_tokens.end());
  const std::vector<double> past(shape.past_tokens.begin(), shape.past_tokens.end());
  size_t site = 0;
  for (int64_t i = 0; i < decoder_.blocks.size(); ++i) {
    if (site < routed_.size() && routed_[site].block == i)
      add_routed_cost(site++, shape, ledger);
    else
      decoder_.blocks.add_cost(i,
                               {.new_tokens = tokens,
                                .past_tokens = past,
                                .bytes_per_number = shape.bytes_per_number,
                                .plain = shape.plain},
                               ledger);
  }
  const double n = std::accumulate(tokens.begin(), tokens.end(), 0.0);
  decoder_.ends.add_cost(n, static_cast<double>(config_.head_dim), shape, ledger);
}

void MixtureOfDepths::add_routed_cost(size_t site, const CostShape& shape, Ledger& ledger) const {
  const Routed& routed = routed_[site];
  const double bytes = shape.bytes_per_number, d = static_cast<double>(config_.d_model);
  const bool stated = !shape.kept_fraction.empty();
  const double share = stated ? shape.kept_fraction.at(site) : routed.router.retention();
  const auto& past_share = shape.past_kept_fraction;
  const std::vector<double> all(shape.new_tokens.begin(), shape.new_tokens.end());
  std::vector<double> chosen, past;
  for (const double t : all)
    chosen.push_back(!stated && t > 1
                         ? static_cast<double>(routed.router.expected(std::llround(t), share))
                         : t * share);
  for (const int64_t t : shape.past_tokens)
    past.push_back(static_cast<double>(t) * (past_share.empty() ? share : past_share.at(site)));
  const double n = std::accumulate(all.begin(), all.end(), 0.0);
  const double n_chosen = std::accumulate(chosen.begin(), chosen.end(), 0.0);
  const double reached =
      shape.reached_fraction.empty() ? 1 - std::pow(1 - share, n) : shape.reached_fraction.at(site);
  routed.router.add_cost({0, all, 1, bytes}, ledger);
  if (routed.predictor) routed.predictor->add_cost(routed.block, n, bytes, ledger);
  decoder_.blocks.add_cost(routed.block,
                           {.level = 1,
                            .new_tokens = chosen,
                            .past_tokens = past,
                            .reached = reached,
                            .bytes_per_number = bytes,
                            .plain = shape.plain},
                           ledger);
  // Kept for the backward pass: the stream that a trained router read, and of the chosen what the
  // block got and gave, weights, index and angles.
  const bool read = routed.predictor || !routed.router.parameters().empty();
  const double numbers = (read ? n * d : 0) + n_chosen * (2 * d + 1 + double(config_.head_dim));
  ledger.add({"return", routed.block, 0, n_chosen, 0, 0, 0, numbers * bytes + n_chosen * 8});
}

void MixtureOfDepths::graft(const std::set<std::string>& missing, const std::string& where) {
  std::set<std::string> left = missing;
  for (Routed& each : routed_) {
    const auto lacks = [&](const std::vector<Parameter>& parameters) {
      bool any = false;
      for (const Parameter& parameter : parameters) any = left.erase(parameter.name) || any;
      return any;
    };
    if (lacks(each.router.parameters())) each.router.make_transparent(where);
    if (each.predictor && lacks(each.predictor->parameters())) each.predictor->choose_all();
  }
  if (!left.empty()) throw UserError(where, "has no tensor " + *left.begin());
}

}  // namespace mixture_of_depths

ArchitectureEntry mixture_of_depths_architecture() {
  auto entry = architecture_entry<mixture_of_depths::MixtureOfDepths, mixture_of_depths::Config>(
      "mixture_of_depths",
      "Llama in some of whose blocks only the tokens take part that a router "
      "chooses",
      "arXiv:2404.02258");
  const auto example = [](const char* name, json config) {
    config.update({{"retention", 0.5}, {"d_model", 32}, {"n_heads", 4}});
    return Example{name, config};
  };
  entry.examples = {
      example("", {{"n_layers", 4}}),
      example("predictor", {{"n_layers", 3}, {"decision", "predictor"}, {"n_kv_heads", 2}}),
      example("expert threshold", {{"n_layers", 3}, {"decision", "scores"}}),
      example("sigmoid", {{"n_layers", 3}, {"routed_blocks", "all"}, {"gate", "sigmoid"}}),
      example("remembering", {{"n_layers", 3},
                              {"routed_blocks", {0, 2}},
                              {"gate", "softmax"},
                              {"evaluate_selector", "causal_quantile"}})};
  return entry;
}

}  // namespace sublab

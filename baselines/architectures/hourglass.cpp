// Hourglass (arXiv:2110.13711; trax, hourglass.py): a Transformer whose inner blocks see groups of
// tokens. From the outside in, with k = rate of the next level / rate of this one:
//
//   x <- blocks(x);  y <- Shorten(ShiftRight(x, k-1), k);  y <- (the next level)(y)
//   x <- x + norm(Upsample(y));  x <- blocks(x)
//
// Shorten and Upsample: resampling.h. What the shift comes to, and the first group of a row:
// token_groups.h. `boundary_ids` cut rows of the outermost level at tokens such as white space
// instead (groups then vary in length, as in arXiv:2211.09761).
//
// Deviations from trax: blocks are those of Llama here (RMSNorm, rotary positions, SwiGLU, no
// biases), so that every rope, execution and cache policy works in them; the position of a group is
// that of its last token; lists of blocks do not end in a norm of their own, only the model does;
// labels are the next tokens, so that inputs are not shifted a second time; layers on the way down
// and up may differ in number.
#include <algorithm>

#include "baselines/architectures/resampling.h"
#include "baselines/architectures/stacks.h"
#include "models/ascending_rows.h"
#include "models/entries/architecture.h"

namespace sublab {
namespace hourglass {

struct Config : DecoderConfig, AttentionConfig {
  std::string hierarchy = "1@1 6@3 1@1";
  std::string shortening = "attention";
  std::string upsampling = "attention";
  std::vector<int64_t> boundary_ids;

  template <class F>
  void fields(F& f) {
    DecoderConfig::fields(f);
    AttentionConfig::fields(f);
    f("hierarchy", hierarchy, "layers@rate from the outside in and out again");
    f("shortening", shortening, "of the tokens of a group",
      one_of({"average", "linear", "attention"}));
    f("upsampling", upsampling, "of what a group says", one_of({"repeat", "linear", "attention"}));
    f("boundary_ids", boundary_ids,
      "ids of tokens that end a group of the first coarse level, whose rate is then what groups "
      "have on average; [] = groups of equal size",
      within(0, 1LL << 31));
  }
  void resolve(const std::string& path, const json& given, const Parts& parts);
  /// Rates from level 0 inwards, each a multiple of the one before.
  std::vector<int64_t> rates(const std::string& path) const;
};

std::vector<int64_t> Config::rates(const std::string& path) const {
  const std::vector<Stack> stages = parse_stacks(hierarchy, path);
  const size_t n = stages.size();
  const auto refuse = [&](const std::string& what) {
    throw UserError(path, "'" + hierarchy + "' " + what);
  };
  if (n < 3 || n % 2 == 0)
    refuse("has " + std::to_string(n) + " stages; allowed: an odd number, 3 or more, such as " +
           "2@1 4@3 2@1");
  if (stages[0].rate != 1) refuse("begins at rate " + std::to_string(stages[0].rate) + ", not 1");
  std::vector<int64_t> out;
  for (size_t i = 0; i <= n / 2; ++i) {
    const int64_t rate = stages[i].rate;
    if (stages[n - 1 - i].rate != rate)
      refuse("goes in at rate " + std::to_string(rate) + " and out at " +
             std::to_string(stages[n - 1 - i].rate));
    if (i > 0 && (rate <= out.back() || rate % out.back() != 0))
      refuse("has rate " + std::to_string(rate) + " inside " + std::to_string(out.back()) +
             "; allowed: a larger multiple of it");
    out.push_back(rate);
  }
  return out;
}

void Config::resolve(const std::string& path, const json& given, const Parts& parts) {
  n_layers = agreed_layers(parse_stacks(hierarchy, path + "/hierarchy"), hierarchy,
                           given.contains("n_layers"), n_layers, path);
  rates(path + "/hierarchy");
  DecoderConfig::resolve(path);
  AttentionConfig::resolve(path, parts);
  if (boundary_ids.empty()) return;
  for (const auto& [key, value] :
       {std::make_pair("shortening", shortening), std::make_pair("upsampling", upsampling)})
    if (value == "linear")
      throw UserError(path + "/" + key,
                      "'linear' needs groups of equal size, which boundary_ids do not give");
  std::sort(boundary_ids.begin(), boundary_ids.end());
  boundary_ids.erase(std::unique(boundary_ids.begin(), boundary_ids.end()), boundary_ids.end());
}

/// The caches of each list of blocks, and what is open of each rate.
struct State : DecodeState {
  explicit State(int64_t n_rows) : DecodeState(n_rows) {}
  State(const State& of, const std::vector<int64_t>& rows) : DecodeState(of, rows) {
    for (const BlockCaches& list : of.caches) caches.push_back(list.fork(rows));
    for (const resampling::Memory& rate : of.rates) rates.push_back(rate.fork(rows));
  }
  int64_t n_bytes() const override {
    int64_t sum = 0;
    for (const BlockCaches& list : caches) sum += list.n_bytes();
    for (const resampling::Memory& rate : rates) sum += rate.n_bytes();
    return sum;
  }
  std::unique_ptr<DecodeState> fork(const std::vector<int64_t>& rows) const override {
    return std::make_unique<State>(*this, rows);
  }
  std::vector<BlockCaches> caches;
  std::vector<resampling::Memory> rates;
};

class Hourglass : public LanguageModel {
 public:
  Hourglass(const Config& config, int64_t vocab_size, const Initial& initial, const Parts& parts);

  at::Tensor embed(const at::Tensor& tokens) const override { return ends_.embed(tokens); }
  const at::Tensor& head_weight() const override { return ends_.head_weight(); }
  at::Tensor forward(const Batch& batch, at::Tensor x, DecodeState* state,
                     const Run& run) const override;
  std::unique_ptr<DecodeState> new_state(int64_t n_rows, int64_t expected_tokens) const override;
  std::vector<Parameter> parameters() const override;
  void add_cost(const CostShape& shape, Ledger& ledger) const override;

 private:
  /// From level `l` inwards and back to it.
  at::Tensor valley(int64_t l, at::Tensor x, const LevelContext& level, const at::Tensor& tokens,
                    State* state) const;
  int64_t innermost() const { return static_cast<int64_t>(rates_.size()); }
  /// Level of a list of blocks.
  int64_t level_of(int64_t stage) const { return std::min(stage, 2 * innermost() - stage); }
  at::Tensor pass(int64_t stage, const at::Tensor& x, const LevelContext& level,
                  State* state) const {
    return stages_[stage].pass_all(x, level, state ? &state->caches[stage] : nullptr);
  }

  Config config_;
  TokenEnds ends_;
  AttentionParts parts_;
  std::vector<BlockList> stages_;
  std::vector<int64_t> first_layers_;
  std::vector<resampling::Rate> rates_;  // of levels 1, 2, ...
};

Hourglass::Hourglass(const Config& config, int64_t vocab_size, const Initial& initial,
                     const Parts& parts)
    : config_(config),
      ends_({.d_model = config.d_model,
             .vocab_size = vocab_size,
             .norm_epsilon = config.norm_epsilon,
             .tied_head = config.tied_head,
             .embedding_std = config.embedding_std,
             .init_std = config.init_std},
            initial),
      parts_(config.attention(config, parts)) {
  if (!config.boundary_ids.empty() && config.boundary_ids.back() >= vocab_size)
    throw UserError("/model/boundary_ids", std::to_string(config.boundary_ids.back()) +
                                               " is no id of a vocabulary of " +
                                               std::to_string(vocab_size));
  int64_t layer = 0;
  for (const Stack& stage : parse_stacks(config.hierarchy, "/model/hierarchy")) {
    const std::string name = "model.stages." + std::to_string(stages_.size()) + ".layers";
    stages_.emplace_back(name, config, stage.layers, parts_, initial, layer);
    first_layers_.push_back(layer);
    layer += stage.layers;
  }
  const std::vector<int64_t> rates = config.rates("/model/hierarchy");
  for (size_t l = 1; l < rates.size(); ++l)
    rates_.emplace_back("model.rates." + std::to_string(l),
                        resampling::RateConfig{.shortening = config.shortening,
                                               .upsampling = config.upsampling,
                                               .k = rates[l] / rates[l - 1],
                                               .fixed = l > 1 || config.boundary_ids.empty(),
                                               .level = static_cast<int64_t>(l)},
                        config, initial);
}

at::Tensor Hourglass::forward(const Batch& batch, at::Tensor x, DecodeState* state,
                              const Run& run) const {
  const AscendingRows ordered = AscendingRows::whole(batch.rows, "groups of tokens");
  LevelContext level;
  level.rows = ordered.rows;
  level.parts = &parts_;
  level.run = &run;
  level.declared_length = sublab::declared_length(run, state);
  level.angles =
      parts_.rope->angles(level.rows->positions(x.device()), level.declared_length, x.options());
  at::Tensor tokens;  // where they matter, on the host
  if (!config_.boundary_ids.empty()) tokens = ordered.ordered(batch.tokens).cpu();
  x = valley(0, ordered.ordered(x), level, tokens, static_cast<State*>(state));
  if (state) state->advance(*batch.rows);
  return ends_.final_norm(ordered.as_given(x));
}

at::Tensor Hourglass::valley(int64_t l, at::Tensor x, const LevelContext& level,
                             const at::Tensor& tokens, State* state) const {
  x = pass(l, x, level, state);
  if (l == innermost()) return x;
  const resampling::Rate& rate = rates_[l];
  resampling::Memory* memory = state ? &state->rates[l] : nullptr;
  const TokenGroups groups = rate.config().fixed
                                 ? fixed_groups(*level.rows, rate.config().k, RowFront::zeros,
                                                state != nullptr, x.device())
                                 : boundary_groups(*level.rows, tokens, config_.boundary_ids,
                                                   memory ? &memory->groups : nullptr, x.device());
  LevelContext inner = level;
  inner.rows = groups.rows;
  inner.angles = level.angles.keep(groups.ends);
  inner.level = l + 1;
  if (level.run->activity)
    level.run->activity->count("groups_advanced", static_cast<double>(groups.n()),
                               static_cast<double>(x.size(0)),
                               {.layer = first_layers_[l + 1], .level = l + 1});
  const resampling::Rate::Pass resampled{*level.rows, groups, level.angles, inner.angles, memory};
  const at::Tensor y = valley(l + 1, rate.shorten(x, resampled), inner, {}, state);
  x = x + rate.normed(rate.upsample(y, x, resampled));
  return pass(2 * innermost() - l, x, level, state);
}

std::unique_ptr<DecodeState> Hourglass::new_state(int64_t n_rows, int64_t expected_tokens) const {
  auto out = std::make_unique<State>(n_rows);
  std::vector<int64_t> expected{expected_tokens};
  for (const resampling::Rate& rate : rates_) {
    out->rates.push_back(rate.new_memory(n_rows, expected.back(), ends_.options()));
    expected.push_back(expected.back() / rate.config().k + 1);
  }
  for (size_t i = 0; i < stages_.size(); ++i)
    out->caches.push_back(
        stages_[i].new_caches(n_rows, expected[level_of(static_cast<int64_t>(i))]));
  return out;
}

std::vector<Parameter> Hourglass::parameters() const {
  std::vector<Parameter> out;
  ends_.add_front_parameters(out);
  for (const BlockList& stage : stages_) stage.add_parameters(out);
  for (const resampling::Rate& rate : rates_) rate.add_parameters(out);
  ends_.add_back_parameters(out);
  return out;
}

void Hourglass::add_cost(const CostShape& shape, Ledger& ledger) const {
  std::vector<LevelTokens> levels{LevelTokens(shape)};
  for (const resampling::Rate& rate : rates_) {
    levels.push_back(levels.back().grouped(rate.config().k));
    rate.add_cost(levels[levels.size() - 2], levels.back(), shape, ledger);
  }
  for (size_t i = 0; i < stages_.size(); ++i) {
    const int64_t l = level_of(static_cast<int64_t>(i));
    levels[l].add_cost(stages_[i], l, shape, ledger);
  }
  ends_.add_cost(levels[0].n(), static_cast<double>(config_.head_dim), shape, ledger);
}

}  // namespace hourglass

ArchitectureEntry hourglass_architecture() {
  auto entry = architecture_entry<hourglass::Hourglass, hourglass::Config>(
      "hourglass",
      "Transformer whose inner blocks see groups of tokens, shortened and brought back",
      "arXiv:2110.13711");
  const auto example = [](const char* name, const char* hierarchy, const char* shortening,
                          const char* upsampling) {
    return Example{name,
                   {{"hierarchy", hierarchy},
                    {"shortening", shortening},
                    {"upsampling", upsampling},
                    {"d_model", 32},
                    {"n_heads", 4},
                    {"n_kv_heads", 2}}};
  };
  entry.examples = {example("", "1@1 2@4 1@1", "attention", "attention"),
                    example("linear", "1@1 1@2 1@4 1@2 1@1", "linear", "linear"),
                    example("average", "1@1 2@4 0@1", "average", "repeat")};
  return entry;
}

}  // namespace sublab

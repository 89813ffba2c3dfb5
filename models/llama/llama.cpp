// Llama (arXiv:2302.13971): every token passes through every block.
//
//   h = x + Wo attention(RMSNorm(x)),  y = h + Wdown(silu(Wgate n) * Wup n),  n = RMSNorm(h)
//
// with rotary positions on q and k and grouped key/value heads (arXiv:2305.13245). Parameter names
// and arithmetic are those of transformers' LlamaForCausalLM, so that checkpoints open in both.
#include "models/entries/architecture.h"
#include "models/parts/decoder.h"

namespace sublab {
namespace llama {

struct Config : DecoderConfig {
  std::string architecture = "llama";

  template <class F>
  void fields(F& f) {
    f("architecture", architecture, "llama", one_of({"llama"}));
    DecoderConfig::fields(f);
  }
};

class Llama : public LanguageModel {
 public:
  Llama(const Config& config, int64_t vocab_size, const Initial& initial)
      : decoder_(config, vocab_size, initial) {}

  at::Tensor embed(const at::Tensor& tokens) const override { return decoder_.embed(tokens); }

  at::Tensor forward(const Batch& batch, at::Tensor x, DecodeState* state,
                     const Run& run) const override {
    auto* decoder_state = static_cast<DecoderState*>(state);
    const RopeAngles angles = decoder_.angles(*batch.rows);
    for (int64_t i = 0; i < decoder_.config().n_layers; ++i)
      x = run.recompute
              ? decoder_.recomputed_block(i, x, angles, batch.rows, {})
              : decoder_.block(
                    i, x, {angles, *batch.rows, state ? decoder_state->caches[i].get() : nullptr});
    if (state) state->advance(*batch.rows);
    return decoder_.final_norm(x);
  }

  const at::Tensor& head_weight() const override { return decoder_.head_weight(); }

  std::unique_ptr<DecodeState> new_state(int64_t n_rows, int64_t expected_tokens) const override {
    std::vector<std::unique_ptr<KvCache>> caches;
    for (int64_t i = 0; i < decoder_.config().n_layers; ++i)
      caches.push_back(decoder_.new_cache(n_rows, expected_tokens));
    return std::make_unique<DecoderState>(n_rows, std::move(caches));
  }

  std::vector<Parameter> parameters() const override { return decoder_.parameters(); }

  void add_cost(const CostShape& shape, Ledger& ledger) const override {
    const std::vector<double> tokens(shape.new_tokens.begin(), shape.new_tokens.end());
    const std::vector<double> past(shape.past_tokens.begin(), shape.past_tokens.end());
    double n = 0;
    for (const double t : tokens) n += t;
    for (int64_t i = 0; i < decoder_.config().n_layers; ++i)
      decoder_.add_block_cost({i, 0, tokens, past, 1, shape.bytes_per_number, false, shape.plain},
                              ledger);
    decoder_.add_head_cost(n, shape, ledger);
  }

 private:
  Decoder decoder_;
};

Config read(const json& given, const std::string& path) {
  Config config;
  read_fields(given, path, config);
  config.resolve(path);
  return config;
}

}  // namespace llama

ArchitectureEntry llama_architecture() {
  ArchitectureEntry entry;
  entry.name = "llama";
  entry.summary = "decoder with RMSNorm, RoPE, grouped-query attention and SwiGLU";
  entry.source = "arXiv:2302.13971";
  entry.describe = [] { return describe_fields<llama::Config>(); };
  entry.resolve = [](const json& given, const std::string& path, const Parts&) {
    return write_fields(llama::read(given, path));
  };
  entry.make = [](const json& resolved, int64_t vocab_size, const Initial& initial, const Parts&) {
    return std::make_unique<llama::Llama>(llama::read(resolved, "/model"), vocab_size, initial);
  };
  return entry;
}

}  // namespace sublab

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

struct Config : DecoderConfig, AttentionConfig {
  template <class F>
  void fields(F& f) {
    DecoderConfig::fields(f);
    AttentionConfig::fields(f);
  }
  void resolve(const std::string& path, const Parts& parts) {
    DecoderConfig::resolve(path);
    AttentionConfig::resolve(path, parts);
  }
};

class Llama : public LanguageModel {
 public:
  Llama(const Config& config, int64_t vocab_size, const Initial& initial, const Parts& parts)
      : config_(config), decoder_(config, vocab_size, initial, config.attention(config, parts)) {}

  at::Tensor embed(const at::Tensor& tokens) const override { return decoder_.ends.embed(tokens); }

  at::Tensor forward(const Batch& batch, at::Tensor x, DecodeState* state,
                     const Run& run) const override {
    const LevelContext level = decoder_.blocks.level(batch.rows, run, state);
    if (state) {
      x = decoder_.blocks.pass_all(x, level, &static_cast<DecoderState*>(state)->caches);
      state->advance(*batch.rows);
    } else {
      x = decoder_.blocks.pass_all(x, level);
    }
    return decoder_.ends.final_norm(x);
  }

  const at::Tensor& head_weight() const override { return decoder_.ends.head_weight(); }

  std::unique_ptr<DecodeState> new_state(int64_t n_rows, int64_t expected_tokens) const override {
    return std::make_unique<DecoderState>(n_rows,
                                          decoder_.blocks.new_caches(n_rows, expected_tokens));
  }

  std::vector<Parameter> parameters() const override { return decoder_.parameters(); }

  void add_cost(const CostShape& shape, Ledger& ledger) const override {
    const std::vector<double> tokens(shape.new_tokens.begin(), shape.new_tokens.end());
    const std::vector<double> past(shape.past_tokens.begin(), shape.past_tokens.end());
    double n = 0;
    for (const double t : tokens) n += t;
    for (int64_t i = 0; i < decoder_.blocks.size(); ++i)
      decoder_.blocks.add_cost(i,
                               {.new_tokens = tokens,
                                .past_tokens = past,
                                .bytes_per_number = shape.bytes_per_number,
                                .plain = shape.plain},
                               ledger);
    decoder_.ends.add_cost(n, static_cast<double>(config_.head_dim), shape, ledger);
  }

 private:
  Config config_;
  Decoder decoder_;
};

}  // namespace llama

ArchitectureEntry llama_architecture() {
  auto entry = architecture_entry<llama::Llama, llama::Config>(
      "llama", "decoder with RMSNorm, RoPE, grouped-query attention and SwiGLU",
      "arXiv:2302.13971");
  entry.examples = {
      {"", {{"n_layers", 3}, {"d_model", 32}, {"n_heads", 4}, {"n_kv_heads", 2}}},
      {"tied", {{"n_layers", 2}, {"d_model", 32}, {"n_heads", 4}, {"tied_head", true}}}};
  return entry;
}

}  // namespace sublab

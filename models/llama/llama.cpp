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

class Llama : public LanguageModel {
 public:
  Llama(const DecoderConfig& config, int64_t vocab_size, const Initial& initial)
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

}  // namespace llama

ArchitectureEntry llama_architecture() {
  auto entry = architecture_entry<llama::Llama, DecoderConfig>(
      "llama", "decoder with RMSNorm, RoPE, grouped-query attention and SwiGLU",
      "arXiv:2302.13971");
  entry.examples = {
      {"", {{"n_layers", 3}, {"d_model", 32}, {"n_heads", 4}, {"n_kv_heads", 2}}},
      {"tied", {{"n_layers", 2}, {"d_model", 32}, {"n_heads", 4}, {"tied_head", true}}}};
  return entry;
}

}  // namespace sublab

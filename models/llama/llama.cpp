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
      : config_(config), decoder_(config, vocab_size, initial) {}

  at::Tensor embed(const at::Tensor& tokens) const override { return decoder_.ends.embed(tokens); }

  at::Tensor forward(const Batch& batch, at::Tensor x, DecodeState* state,
                     const Run& run) const override {
    const LevelContext level = decoder_.blocks.level(batch.rows, run, state);
    if (state) {
      x = decoder_.blocks.pass_all(x, level, static_cast<DecoderState*>(state)->caches);
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

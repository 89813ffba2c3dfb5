// Infini-Transformer (arXiv:2404.07143): a Llama whose attention looks back over one segment, and
// further through a compressive memory per layer and key head. With s = elu + 1, unrotated q and k,
// the memory M, z of the segments before and g = sigmoid(beta), one beta per query head,
//
//   out = g (s(q) M) / (s(q) z) + (1 - g) softmax attention in the segment, rotated q and k;
//   then  M += s(K)^T V,  or  s(K)^T (V - (s(K) M) / (s(K) z)),   z += sum s(K).
//
// Deviations and what the paper leaves open. Logits are scaled by 1 / sqrt(head_dim), where eq. 6
// prints the root of d_model. In a row's first segment the memory is 0 / 0: what is read of it is
// 0, and whether the local output is scaled by 1 - g all the same (the formula) or not (a public
// implementation) is `first_segment`. The denominator is at least `memory_epsilon`. A memory
// belongs to a key head, whose query heads share it; it is fp32 at least. The paper names no
// initial beta and no rate of its own: a public reproduction saw gates stay within 0.03 of 0.5 at
// the rate of 3e-4 of all weights, and needed 0.01 and no weight decay (huggingface/blog,
// infini-attention.md). `gate_learning_rate_scale` 10 is that 0.01 at the usual rate of 1e-3 here.
#include "baselines/architectures/infini_attention.h"
#include "models/entries/architecture.h"
#include "models/parts/decoder.h"

namespace sublab {
namespace infini_transformer {

struct Config : DecoderConfig {
  json rope = "none";
  int64_t segment_len = 64;
  std::string update = "linear";
  std::string first_segment = "scaled";
  double gate_init = 0;
  double gate_learning_rate_scale = 10;
  double memory_epsilon = 1e-6;
  bool segment_checkpointing = false;

  template <class F>
  void fields(F& f) {
    DecoderConfig::fields(f);
    f("rope", rope, "extension of rotary positions (see `sublab list rope`); none = as trained");
    f("segment_len", segment_len, "tokens of a segment", within(1, 1 << 24));
    f("update", update,
      "what a segment adds to the memory: linear = its values; delta = what they differ by from "
      "what the memory gives for their keys",
      one_of({"linear", "delta"}));
    f("first_segment", first_segment,
      "of a row, where the memory is empty: scaled = the local output times 1 - gate, as the "
      "formula has it; local = the local output",
      one_of({"scaled", "local"}));
    f("gate_init", gate_init,
      "initial beta of each query head; sigmoid(beta) weighs the memory, the rest is local",
      within(-100, 100));
    f("gate_learning_rate_scale", gate_learning_rate_scale,
      "of beta, which has no weight decay; 10 is 0.01 at a rate of 1e-3; 0 = beta stays",
      within(0, 1e4));
    f("memory_epsilon", memory_epsilon, "least denominator of what is read of the memory",
      above(0, 1));
    f("segment_checkpointing", segment_checkpointing,
      "training keeps of a segment's memory its inputs alone, and computes the rest again; the "
      "same gradients");
  }
  void resolve(const std::string& path, const Parts& parts) {
    DecoderConfig::resolve(path);
    rope = resolve_choice(parts.ropes, "rope", rope, path + "/rope", "none");
  }
  AttentionSettings attention() const {
    return {.segment_len = segment_len,
            .rule = {.delta = update == "delta", .epsilon = memory_epsilon},
            .scales_first = first_segment == "scaled",
            .checkpoints = segment_checkpointing};
  }
};

/// Parts that other decoders choose and that this one is itself.
void refuse_moved_keys(const Config&, const json& model, const std::string& path) {
  if (model.contains("kv_policy"))
    throw UserError(path + "/kv_policy",
                    "infini_transformer has no cache of all keys and values to choose from: it "
                    "keeps a memory and the open segment; leave it out");
  if (model.contains("execution"))
    throw UserError(path + "/execution",
                    "a compressive memory is made where all tokens of a row are, on one rank; "
                    "leave it out");
}

std::string layer_name(int64_t i) { return "model.layers." + std::to_string(i) + ".self_attn"; }

std::vector<at::Tensor> new_gates(const Config& config, const Initial& initial) {
  std::vector<at::Tensor> out;
  for (int64_t i = 0; i < config.n_layers; ++i)
    out.push_back(constant_parameter({config.n_heads}, config.gate_init, initial));
  return out;
}

AttentionParts attention_of(const Config& config, const std::vector<at::Tensor>& gates,
                            const AttentionTables& tables) {
  return {make_choice(tables.ropes, "rope", config.rope, "/model/rope",
                      {.head_dim = config.head_dim, .theta = config.rope_theta}),
          local_attention(), std::make_shared<InfiniAttention>(config.attention(), gates)};
}

class InfiniTransformer : public LanguageModel {
 public:
  InfiniTransformer(const Config& config, int64_t vocab_size, const Initial& initial,
                    const Parts& parts)
      : config_(config),
        gates_(new_gates(config, initial)),
        decoder_(config, vocab_size, initial, attention_of(config, gates_, parts)) {}

  at::Tensor embed(const at::Tensor& tokens) const override { return decoder_.ends.embed(tokens); }

  at::Tensor forward(const Batch& batch, at::Tensor x, DecodeState* state,
                     const Run& run) const override {
    const LevelContext level = decoder_.blocks.level(batch.rows, run, state);
    x = decoder_.blocks.pass_all(std::move(x), level,
                                 state ? &static_cast<DecoderState*>(state)->caches : nullptr);
    if (state) state->advance(*batch.rows);
    return decoder_.ends.final_norm(x);
  }

  const at::Tensor& head_weight() const override { return decoder_.ends.head_weight(); }

  std::unique_ptr<DecodeState> new_state(int64_t n_rows, int64_t expected_tokens) const override {
    return std::make_unique<DecoderState>(n_rows,
                                          decoder_.blocks.new_caches(n_rows, expected_tokens));
  }

  std::vector<Parameter> parameters() const override {
    std::vector<Parameter> out = decoder_.parameters();
    for (size_t i = 0; i < gates_.size(); ++i)
      out.push_back({layer_name(static_cast<int64_t>(i)) + ".memory_gate", gates_[i],
                     config_.gate_learning_rate_scale, /*decay=*/false});
    return out;
  }

  void add_cost(const CostShape& shape, Ledger& ledger) const override;

 private:
  void add_memory_cost(const PassShape& shape, Ledger& ledger) const;

  Config config_;
  std::vector<at::Tensor> gates_;  // beta of each layer, [H]
  Decoder decoder_;
};

void InfiniTransformer::add_cost(const CostShape& shape, Ledger& ledger) const {
  const std::vector<double> tokens(shape.new_tokens.begin(), shape.new_tokens.end());
  const std::vector<double> past(shape.past_tokens.begin(), shape.past_tokens.end());
  PassShape pass{.new_tokens = tokens,
                 .past_tokens = past,
                 .bytes_per_number = shape.bytes_per_number,
                 .plain = shape.plain};
  for (int64_t i = 0; i < config_.n_layers; ++i) {
    pass.layer = i;
    decoder_.blocks.add_cost(i, pass, ledger);
    add_memory_cost(pass, ledger);
  }
  decoder_.ends.add_cost(pass.n_tokens(), static_cast<double>(config_.head_dim), shape, ledger);
}

/// Lines memory.read and memory.update. A memory of K x (K + 1) numbers per key head is as wide as
/// what it is computed in; the open segment holds its keys a second time, unrotated.
void InfiniTransformer::add_memory_cost(const PassShape& shape, Ledger& ledger) const {
  const auto n = static_cast<double>(config_.segment_len);
  SegmentCounts sum;
  for (size_t b = 0; b < shape.new_tokens.size(); ++b) {
    const double past = shape.past_tokens.empty() ? 0 : shape.past_tokens[b];
    const SegmentCounts row = segment_counts(shape.new_tokens[b], past, n);
    sum.folded += row.folded;
    sum.folded_with_memory += row.folded_with_memory;
    sum.tokens_reading += row.tokens_reading;
    sum.memories_read += row.memories_read;
    sum.tokens_open += row.tokens_open;
  }
  const auto rows = static_cast<double>(shape.new_tokens.size());
  const auto k = static_cast<double>(config_.head_dim);
  const auto q_width = static_cast<double>(config_.q_width());
  const auto kv_width = static_cast<double>(config_.kv_width());
  const double wide = std::max(shape.bytes_per_number, 4.0), memory = kv_width * (k + 1) * wide;
  const double read_flops = 2 * sum.tokens_reading * q_width * (k + 1);
  // Kept for the backward pass: queries by key head before and behind s, numerator, quotient and
  // denominators; of every token, what is mixed.
  ledger.add(
      {.part = "memory.read",
       .layer = shape.layer,
       .tokens = sum.tokens_reading,
       .flops_causal = read_flops,
       .flops_square = read_flops,
       .bytes = sum.memories_read * memory +
                static_cast<double>(config_.n_heads) * shape.bytes_per_number,
       .activation_bytes =
           sum.tokens_reading * (4 * q_width + 2 * static_cast<double>(config_.n_heads)) * wide +
           shape.n_tokens() * q_width * shape.bytes_per_number,
       .cache_bytes = rows * memory});
  const double folded = sum.folded * n;
  const double again = config_.update == "delta" ? sum.folded_with_memory * n : 0;
  const double update_flops = 2 * folded * kv_width * k + 2 * again * kv_width * (k + 1);
  ledger.add({.part = "memory.update",
              .layer = shape.layer,
              .tokens = folded,
              .flops_causal = update_flops,
              .flops_square = update_flops,
              .bytes = folded * 2 * kv_width * shape.bytes_per_number + 2 * sum.folded * memory,
              .activation_bytes = (3 * folded + 3 * again) * kv_width * wide + sum.folded * memory,
              .cache_bytes = sum.tokens_open * kv_width * shape.bytes_per_number});
}

}  // namespace infini_transformer

ArchitectureEntry infini_transformer_architecture() {
  auto entry =
      architecture_entry<infini_transformer::InfiniTransformer, infini_transformer::Config>(
          "infini_transformer",
          "attention in segments, and a compressive memory of those before them",
          "arXiv:2404.07143");
  const json small = {{"n_layers", 2}, {"d_model", 32}, {"n_heads", 4}, {"segment_len", 8}};
  json linear = small, delta = small;
  linear["n_kv_heads"] = 2;
  delta.update({{"update", "delta"},
                {"first_segment", "local"},
                {"segment_len", 9},
                {"segment_checkpointing", true}});
  entry.examples = {{"", linear}, {"delta", delta}};
  return entry;
}

}  // namespace sublab

// config.json of transformers' LlamaForCausalLM, both ways.
#include "models/interchange/hf_config.h"

#include <algorithm>

#include "models/interchange/hf_keys.h"
#include "models/interchange/hf_rope.h"

namespace sublab {
namespace {

/// Keys that transformers reads for any model and that would make another one of a Llama. Keys
/// that are neither here nor read below have no effect on what a Llama computes: dropout, caching,
/// initial weights, dtypes, labels, pretraining_tp, names, versions, and what transformers does not
/// know.
void refuse_other_models(const HfKeys& config) {
  const auto type = config.text("model_type", "");
  if (type.empty()) throw UserError(config.place("model_type"), "is missing; expected \"llama\"");
  if (type != "llama") config.refuse("model_type", "is not supported; expected \"llama\"");
  const auto act = config.text("hidden_act", "silu");
  if (act != "silu" && act != "swish")
    config.refuse("hidden_act", "is not supported; expected \"silu\" or its other name \"swish\"");
  for (const char* key : {"quantization_config", "compression_config"})
    if (config.has(key)) config.refuse(key, "is not supported: weights are F64, F32, F16 or BF16");
  for (const char* key : {"sliding_window", "attention_chunk_size", "per_layer_config"})
    if (config.has(key)) config.refuse(key, "is not supported; every layer sees the whole row");
  if (config.has("layer_types"))
    for (const json& layer : config.at("layer_types"))
      if (layer != "full_attention")
        config.refuse("layer_types", "is not supported; expected \"full_attention\" only");
  if (config.has("is_causal") && config.at("is_causal") != true)
    config.refuse("is_causal", "is not supported; a token must not see later ones");
  for (const char* key : {"use_bidirectional_attention", "is_encoder_decoder"})
    if (config.has(key) && config.at(key) != false) config.refuse(key, "is not supported");
}

}  // namespace

json to_hf_config(const HfConfig& config) {
  const auto take = [&](const char* key) { return config.model.at(key); };
  json out = {{"architectures", {"LlamaForCausalLM"}},
              {"model_type", "llama"},
              {"vocab_size", config.vocab_size},
              {"hidden_size", take("d_model")},
              {"intermediate_size", take("d_ff")},
              {"num_hidden_layers", take("n_layers")},
              {"num_attention_heads", take("n_heads")},
              {"num_key_value_heads", take("n_kv_heads")},
              {"head_dim", take("head_dim")},
              {"hidden_act", "silu"},
              {"initializer_range", 0.02},
              {"rms_norm_eps", take("norm_epsilon")},
              {"tie_word_embeddings", take("tied_head")},
              {"attention_bias", take("attention_bias")},
              {"mlp_bias", take("mlp_bias")},
              {"attention_dropout", 0.0},
              {"pretraining_tp", 1},
              {"bos_token_id", config.bos_id < 0 ? json() : json(config.bos_id)},
              {"eos_token_id", config.eos_id},
              {"use_cache", true},
              {"torch_dtype", "float32"},
              {"dtype", "float32"}};
  out.update(hf_rope_keys(config.model, config.context_len));
  return out;
}

HfConfig read_hf_config(const json& config, const std::string& where, const json& own) {
  const HfKeys keys(config, where);
  refuse_other_models(keys);
  const int64_t heads = keys.size("num_attention_heads");
  const HfRope rope = read_hf_rope(keys, own);
  HfConfig out;
  out.vocab_size = keys.size("vocab_size");
  out.model = {{"architecture", "llama"},
               {"d_model", keys.size("hidden_size")},
               {"d_ff", keys.size("intermediate_size")},
               {"n_layers", keys.size("num_hidden_layers", 0)},
               {"n_heads", heads},
               {"n_kv_heads", keys.whole_or_null("num_key_value_heads", heads)},
               {"head_dim", keys.whole_or_null("head_dim", 0)},
               {"rope_theta", rope.theta},
               {"norm_epsilon", keys.decimal("rms_norm_eps", 1e-6)},
               {"tied_head", keys.flag("tie_word_embeddings", false)},
               {"attention_bias", keys.flag("attention_bias", false)},
               {"mlp_bias", keys.flag("mlp_bias", false)}};
  if (!rope.choice.is_null()) out.model["rope"] = rope.choice;
  constexpr int64_t kBos = 1, kEos = 2;  // where the file is silent
  out.context_len = hf_context_len(keys);
  const json bos = config.value("bos_token_id", json(kBos));
  if (!bos.is_null() && !bos.is_number_integer())
    fields_detail::throw_type(keys.place("bos_token_id"), "a whole number or null", bos);
  out.bos_id = bos.is_null() ? -1 : std::max<int64_t>(-1, bos.get<int64_t>());
  out.eos_id = config.value("eos_token_id", json(kEos));
  eos_ids(out.eos_id, keys.place("eos_token_id"));
  return out;
}

std::vector<int64_t> eos_ids(const json& value, const std::string& where) {
  std::vector<int64_t> out;
  if (value.is_null()) return out;
  for (const json& id : value.is_array() ? value : json::array({value})) {
    if (!id.is_number_integer())
      fields_detail::throw_type(where, "a whole number, a list of them, or null", value);
    if (id.get<int64_t>() >= 0) out.push_back(id.get<int64_t>());
  }
  return out;
}

}  // namespace sublab

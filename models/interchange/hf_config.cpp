#include "models/interchange/hf_config.h"

namespace sublab {
namespace {

template <class T>
T value_or(const json& config, const std::string& where, const char* key, const T& otherwise) {
  const auto it = config.find(key);
  if (it == config.end() || it->is_null()) return otherwise;
  T value{};
  fields_detail::read_value(*it, where + ": /" + key, value, Rule{});
  return value;
}

template <class T>
T required(const json& config, const std::string& where, const char* key) {
  if (!config.contains(key) || config[key].is_null())
    throw UserError(where, std::string("has no ") + key);
  return value_or<T>(config, where, key, T{});
}

void refuse_scaled_rope(const json& rope, const std::string& where) {
  const std::string type = rope.contains("rope_type") ? rope["rope_type"].dump()
                                                      : rope.value("type", json("default")).dump();
  if (type != "\"default\"")
    throw UserError(where, "has rope type " + type + "; only \"default\" is supported so far");
  if (rope.contains("partial_rotary_factor") && rope["partial_rotary_factor"] != 1)
    throw UserError(where, "has partial_rotary_factor " + rope["partial_rotary_factor"].dump() +
                               "; only 1 is supported");
}

double rope_theta(const json& config, const std::string& where) {
  constexpr double kDefault = 10000;
  refuse_scaled_rope({{"partial_rotary_factor", config.value("partial_rotary_factor", json(1))}},
                     where);
  if (config.contains("rope_scaling") && config["rope_scaling"].is_object())
    refuse_scaled_rope(config["rope_scaling"], where + ": /rope_scaling");
  if (config.contains("rope_parameters") && config["rope_parameters"].is_object()) {
    refuse_scaled_rope(config["rope_parameters"], where + ": /rope_parameters");
    return value_or<double>(config["rope_parameters"], where + ": /rope_parameters", "rope_theta",
                            value_or<double>(config, where, "rope_theta", kDefault));
  }
  return value_or<double>(config, where, "rope_theta", kDefault);
}

}  // namespace

json to_hf_config(const json& llama, int64_t vocab_size, int64_t context_len, int64_t boundary_id) {
  const auto take = [&](const char* key) { return llama.at(key); };
  const json rope = {{"rope_type", "default"}, {"rope_theta", take("rope_theta")}};
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"vocab_size", vocab_size},
          {"hidden_size", take("d_model")},
          {"intermediate_size", take("d_ff")},
          {"num_hidden_layers", take("n_layers")},
          {"num_attention_heads", take("n_heads")},
          {"num_key_value_heads", take("n_kv_heads")},
          {"head_dim", take("head_dim")},
          {"hidden_act", "silu"},
          {"max_position_embeddings", context_len},
          {"initializer_range", 0.02},
          {"rms_norm_eps", take("norm_epsilon")},
          {"rope_theta", take("rope_theta")},
          {"rope_parameters", rope},
          {"tie_word_embeddings", take("tied_head")},
          {"attention_bias", take("attention_bias")},
          {"mlp_bias", take("mlp_bias")},
          {"attention_dropout", 0.0},
          {"pretraining_tp", 1},
          {"bos_token_id", boundary_id},
          {"eos_token_id", boundary_id},
          {"use_cache", true},
          {"torch_dtype", "float32"},
          {"dtype", "float32"}};
}

json from_hf_config(const json& config, const std::string& where) {
  if (!config.is_object()) throw UserError(where, "is no object");
  const auto type = required<std::string>(config, where, "model_type");
  if (type != "llama")
    throw UserError(where, "model_type '" + type + "' is not supported; expected llama");
  const auto act = value_or<std::string>(config, where, "hidden_act", "silu");
  if (act != "silu")
    throw UserError(where, "hidden_act '" + act + "' is not supported; expected silu");
  if (config.contains("quantization_config"))
    throw UserError(where, "quantised weights are not supported");
  const auto heads = required<int64_t>(config, where, "num_attention_heads");
  return {{"architecture", "llama"},
          {"d_model", required<int64_t>(config, where, "hidden_size")},
          {"d_ff", required<int64_t>(config, where, "intermediate_size")},
          {"n_layers", required<int64_t>(config, where, "num_hidden_layers")},
          {"n_heads", heads},
          {"n_kv_heads", value_or<int64_t>(config, where, "num_key_value_heads", heads)},
          {"head_dim", value_or<int64_t>(config, where, "head_dim", 0)},
          {"rope_theta", rope_theta(config, where)},
          {"norm_epsilon", value_or<double>(config, where, "rms_norm_eps", 1e-6)},
          {"tied_head", value_or<bool>(config, where, "tie_word_embeddings", false)},
          {"attention_bias", value_or<bool>(config, where, "attention_bias", false)},
          {"mlp_bias", value_or<bool>(config, where, "mlp_bias", false)}};
}

}  // namespace sublab

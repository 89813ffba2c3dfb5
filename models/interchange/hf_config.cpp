// config.json of transformers' LlamaForCausalLM, both ways.
#include "models/interchange/hf_config.h"

#include <algorithm>

namespace sublab {
namespace {

/// Reads one object of a config.json with the types that transformers 5 insists on.
class Keys {
 public:
  Keys(const json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object_.is_object()) fields_detail::throw_type(where_, "an object", object_);
  }

  bool contains(const char* key) const { return object_.contains(key); }
  /// Present and not null.
  bool has(const char* key) const { return contains(key) && !object_[key].is_null(); }
  const json& at(const char* key) const { return object_.at(key); }
  std::string place(const char* key) const { return where_ + ": /" + key; }
  [[noreturn]] void refuse(const char* key, const std::string& why) const {
    throw UserError(where_, "/" + std::string(key) + " " + object_.at(key).dump() + " " + why);
  }

  int64_t size(const char* key, double least = 1) const {
    if (!contains(key)) throw UserError(where_, std::string("has no ") + key);
    return whole(key, 0, least);
  }
  int64_t whole(const char* key, int64_t otherwise, double least = 1) const {
    if (!contains(key)) return otherwise;
    const json& value = object_[key];
    if (!value.is_number_integer()) fields_detail::throw_type(place(key), "a whole number", value);
    fields_detail::check_number(place(key), value.get<double>(), within(least, 1e9));
    return value.get<int64_t>();
  }
  int64_t whole_or_null(const char* key, int64_t otherwise) const {
    return has(key) ? whole(key, otherwise) : otherwise;
  }
  double decimal(const char* key, double otherwise) const {
    if (!contains(key)) return otherwise;
    if (!object_[key].is_number_float())
      fields_detail::throw_type(place(key), "a decimal number, such as 1e-5", object_[key]);
    return object_[key].get<double>();
  }
  bool flag(const char* key, bool otherwise) const {
    bool value = otherwise;
    if (contains(key)) fields_detail::read_value(object_[key], place(key), value, Rule{});
    return value;
  }
  std::string text(const char* key, const std::string& otherwise) const {
    std::string value = otherwise;
    if (contains(key)) fields_detail::read_value(object_[key], place(key), value, Rule{});
    return value;
  }

 private:
  const json& object_;
  std::string where_;
};

void refuse_part_of_head(const Keys& keys) {
  if (keys.has("partial_rotary_factor") && keys.at("partial_rotary_factor") != 1)
    keys.refuse("partial_rotary_factor", "is not supported; expected 1");
}

double base_of(const Keys& keys) {
  const json& value = keys.at("rope_theta");
  if (!value.is_number()) fields_detail::throw_type(keys.place("rope_theta"), "a number", value);
  fields_detail::check_number(keys.place("rope_theta"), value.get<double>(), above(0));
  return value.get<double>();
}

/// The base of the rotary frequencies. A rope_scaling that is not empty stands for all of
/// rope_parameters; what is inside counts before a rope_theta beside it. Of type "default" only
/// rope_theta counts, whatever else stands inside.
double rope_theta(const Keys& config) {
  const auto given = [&](const char* key) { return config.has(key) && !config.at(key).empty(); };
  const char* source = given("rope_scaling") ? "rope_scaling" : "rope_parameters";
  static const json kNothing = json::object();
  const Keys rope(config.has(source) ? config.at(source) : kNothing, config.place(source));
  const json& inside = config.has(source) ? config.at(source) : kNothing;
  const char* type = inside.contains("rope_type") ? "rope_type" : "type";
  if (inside.contains(type) && inside[type] != "default")
    throw UserError(config.place(source), "has rope type " + inside[type].dump() +
                                              "; only \"default\" is supported so far");
  for (const auto& [key, value] : inside.items())
    if (value.is_object())
      throw UserError(config.place(source),
                      "has settings of its own for '" + key + "'; one for all layers is supported");
  refuse_part_of_head(rope);
  refuse_part_of_head(config);
  constexpr double kDefault = 10000;
  if (inside.contains("rope_theta")) return base_of(rope);
  return config.contains("rope_theta") ? base_of(config) : kDefault;
}

/// Keys that transformers reads for any model and that would make another one of a Llama. Keys
/// that are neither here nor read below have no effect on what a Llama computes: dropout, caching,
/// initial weights, dtypes, labels, pretraining_tp, names, versions, and what transformers does not
/// know.
void refuse_other_models(const Keys& config) {
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
  const json rope = {{"rope_type", "default"}, {"rope_theta", take("rope_theta")}};
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"vocab_size", config.vocab_size},
          {"hidden_size", take("d_model")},
          {"intermediate_size", take("d_ff")},
          {"num_hidden_layers", take("n_layers")},
          {"num_attention_heads", take("n_heads")},
          {"num_key_value_heads", take("n_kv_heads")},
          {"head_dim", take("head_dim")},
          {"hidden_act", "silu"},
          {"max_position_embeddings", config.context_len},
          {"initializer_range", 0.02},
          {"rms_norm_eps", take("norm_epsilon")},
          {"rope_theta", take("rope_theta")},
          {"rope_parameters", rope},
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
}

HfConfig read_hf_config(const json& config, const std::string& where) {
  const Keys keys(config, where);
  refuse_other_models(keys);
  const int64_t heads = keys.size("num_attention_heads");
  HfConfig out;
  out.vocab_size = keys.size("vocab_size");
  out.model = {{"architecture", "llama"},
               {"d_model", keys.size("hidden_size")},
               {"d_ff", keys.size("intermediate_size")},
               {"n_layers", keys.size("num_hidden_layers", 0)},
               {"n_heads", heads},
               {"n_kv_heads", keys.whole_or_null("num_key_value_heads", heads)},
               {"head_dim", keys.whole_or_null("head_dim", 0)},
               {"rope_theta", rope_theta(keys)},
               {"norm_epsilon", keys.decimal("rms_norm_eps", 1e-6)},
               {"tied_head", keys.flag("tie_word_embeddings", false)},
               {"attention_bias", keys.flag("attention_bias", false)},
               {"mlp_bias", keys.flag("mlp_bias", false)}};
  constexpr int64_t kContext = 2048, kBos = 1, kEos = 2;  // where the file is silent
  out.context_len = keys.whole("max_position_embeddings", kContext);
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

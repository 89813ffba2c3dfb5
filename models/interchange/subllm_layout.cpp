// Tensor names of SUBLLM's released code, both ways.
#include "models/interchange/subllm_layout.h"

#include <cmath>
#include <map>

#include "core/json_text.h"
#include "core/kind.h"
#include "models/interchange/hf_config.h"
#include "models/subllm/structure.h"

namespace sublab {
namespace {

constexpr double kRopeBase = 10000;
constexpr double kNormEpsilon = 1e-5;

/// A key with the published class's default; transformers' alias of the key wins, as it does there.
template <class T>
T read_key(const json& config, const std::string& where, const char* key, const T& otherwise,
           const Rule& rule = {}, const char* alias = nullptr) {
  const auto given = [&](const char* name) {
    return name && config.contains(name) && !config[name].is_null();
  };
  T value = otherwise;
  if (given(key)) fields_detail::read_value(config[key], where + ": /" + key, value, rule);
  if (!given(alias)) return value;
  T other{};
  fields_detail::read_value(config[alias], where + ": /" + alias, other, rule);
  if (given(key) && other != value)
    throw UserError(where, std::string("/") + alias + " " + config[alias].dump() +
                               " disagrees with /" + key + " " + config[key].dump());
  return other;
}

void refuse_other_models(const json& config, const std::string& where) {
  const auto only = [&](const char* key, const std::vector<json>& allowed) {
    if (!config.contains(key) || config[key].is_null()) return;
    std::vector<std::string> names;
    for (const json& value : allowed) {
      if (config[key] == value) return;
      names.push_back(value.dump());
    }
    throw UserError(where, std::string("/") + key + " " + config[key].dump() +
                               " is not supported; expected " + join(names, " or "));
  };
  only("norm_name", {"rmsnorm"});
  only("mlp_name", {"swiglu"});
  only("attn_type", {"vanilla", "flash"});
  only("scale_token_embedding", {false});
  only("no_scale_embedding", {true});
  only("qkv_pack", {false});
  only("rope_theta", {kRopeBase});
  for (const char* key : {"quantization_config", "rope_scaling"})
    if (config.contains(key) && !config[key].is_null())
      throw UserError(where, std::string("/") + key + " is not supported in the SUBLLM layout");
}

/// Retention of a factor 1 / d, without the rounding of the division.
double retention_of_factor(double factor) {
  char text[32];
  std::snprintf(text, sizeof text, "%.15g", 1 / factor);
  return std::strtod(text, nullptr);
}

json read_retention(const json& config, const std::string& where, size_t n_modules) {
  const char* list = "downsampling_factor";
  if (config.contains(list) && !config[list].is_null()) {  // written by save_pretrained
    std::vector<double> factors;
    fields_detail::read_value(config[list], where + ": /" + list, factors, above(1));
    if (factors.size() != 1 && factors.size() != n_modules)
      throw UserError(where, std::string("/") + list + " lists " + std::to_string(factors.size()) +
                                 " values, but structure has " + std::to_string(n_modules) +
                                 " '('; expected one for all, or one each");
    json retention = json::array();
    for (const double factor : factors) retention.push_back(retention_of_factor(factor));
    return retention.size() == 1 ? retention[0] : retention;
  }
  const char* key = "downsampling_factor_denominator";
  const json given = config.value(key, json("0.5"));
  const std::string text = unquoted(given);
  char* end = nullptr;
  const double retention = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(retention > 0 && retention < 1))
    throw UserError(where,
                    std::string("/") + key + " " + given.dump() +
                        " is no retention; expected a number between 0 and 1, such as \"0.64\"");
  return retention;
}

/// Throws when `model` has something that the layout has no place for.
void refuse_inexpressible(const json& model, const std::string& where) {
  const auto need = [&](bool met, const char* key, const std::string& only) {
    if (!met)
      throw UserError(where, std::string("/model/") + key + " " + model[key].dump() +
                                 " cannot be said in the SUBLLM layout, which has " + only);
  };
  const auto whole = [&](const char* key) { return model.at(key).get<int64_t>(); };
  need(whole("n_layers") > 0, "n_layers", "at least one block");
  need(whole("n_kv_heads") == whole("n_heads"), "n_kv_heads", "a key and a value for every head");
  need(whole("head_dim") * whole("n_heads") == whole("d_model"), "head_dim",
       "heads of d_model / n_heads");
  need(chosen_type(model.at("rope")) == "none", "rope", "plain rotary positions only");
  need(model.at("rope_theta") == kRopeBase, "rope_theta", "10000 only");
  need(model.at("norm_epsilon") == kNormEpsilon, "norm_epsilon", "1e-5 only");
  need(!model.at("mlp_bias").get<bool>(), "mlp_bias", "no biases there");
  if (model.at("architecture") != "subllm") return;
  need(chosen_type(model.at("scorer")) == "learned" && model.at("scorer").at("input") == "raw",
       "scorer", "learned ones of the raw stream only");
  need(chosen_type(model.at("gate")) == "score", "gate", "gate score only");
  need(model.at("evaluate_selector") == json{{"type", "threshold"}, {"threshold", 0.0}},
       "evaluate_selector", "threshold 0 only");
  need(!model.at("attention_log_weight").get<bool>(), "attention_log_weight", "plain attention");
  const json& retention = model.at("retention");
  for (const json& d : retention.is_array() ? retention : json::array({retention}))
    need(d.get<double>() < 1, "retention", "a scorer in every pair of parentheses, none at 1");
}

void write_retention(const json& retention, json& config) {
  const json list = retention.is_array() ? retention : json::array({retention});
  if (list.empty()) return;
  config["downsampling_factor_denominator"] = list[0].dump();
  bool equal = true;
  json factors = json::array();
  for (const json& d : list) {
    equal = equal && d == list[0];
    factors.push_back(1 / d.get<double>());
  }
  if (!equal) config["downsampling_factor"] = factors;
}

std::string structure_of(const json& model) {
  return model.at("architecture") == "subllm"
             ? model.at("structure").get<std::string>()
             : std::string(model.at("n_layers").get<size_t>(), 'T');
}

/// Pairs tensors of the model with names of the layout.
class Matcher {
 public:
  explicit Matcher(const LanguageModel& model) {
    for (const Parameter& parameter : model.parameters()) ours_[parameter.name] = parameter.tensor;
  }
  /// `theirs` is the stack of `ours`.
  void add(const std::string& theirs, const std::vector<std::string>& ours) {
    StoredTensor stored{theirs, {}, ""};
    for (const std::string& name : ours) stored.parts.push_back(ours_.at(name));
    out.push_back(std::move(stored));
  }
  void add_if_there(const std::string& theirs, const std::string& ours) {
    if (ours_.count(ours)) add(theirs, {ours});
  }
  std::vector<StoredTensor> out;

 private:
  std::map<std::string, at::Tensor> ours_;
};

void add_block(Matcher& matcher, int64_t layer, int64_t head_dim, bool value_and_out_bias) {
  const std::string ours = "model.layers." + std::to_string(layer) + ".";
  const std::string theirs = "decoder.layers." + std::to_string(layer) + ".";
  matcher.add(theirs + "self_attn_layer_norm.weight", {ours + "input_layernorm.weight"});
  const std::vector<std::pair<const char*, const char*>> maps = {
      {"q_proj", "q_proj"}, {"k_proj", "k_proj"}, {"v_proj", "v_proj"}, {"out_proj", "o_proj"}};
  for (const auto& [to, from] : maps) {
    matcher.add(theirs + "self_attn." + to + ".weight", {ours + "self_attn." + from + ".weight"});
    if (value_and_out_bias || *to == 'q' || *to == 'k')
      matcher.add_if_there(theirs + "self_attn." + to + ".bias",
                           ours + "self_attn." + from + ".bias");
  }
  const at::Tensor frequency =
      at::pow(kRopeBase, at::arange(0, head_dim, 2, at::kFloat) / head_dim).reciprocal();
  matcher.out.push_back({theirs + "self_attn.position.inv_freq",
                         {frequency},
                         "10000^(-2i / head_dim) in fp32, which this program computes"});
  matcher.add(theirs + "final_layer_norm.weight", {ours + "post_attention_layernorm.weight"});
  matcher.add(theirs + "feedforward.swiglu.w12.weight",
              {ours + "mlp.gate_proj.weight", ours + "mlp.up_proj.weight"});
  matcher.add(theirs + "feedforward.swiglu.w3.weight", {ours + "mlp.down_proj.weight"});
}

}  // namespace

bool is_subllm_layout(const json& config) {
  return config.is_object() && config.value("model_type", json("subllm")) == "subllm" &&
         (config.contains("decoder_embed_dim") || config.contains("structure"));
}

SubllmLayout from_subllm_layout(const json& config, const std::string& where) {
  refuse_other_models(config, where);
  const auto whole = [&](const char* key, int64_t otherwise, const Rule& rule,
                         const char* alias = nullptr) {
    return read_key<int64_t>(config, where, key, otherwise, rule, alias);
  };
  if (!config.contains("structure")) throw UserError(where, "has no structure");
  const auto text = read_key<std::string>(config, where, "structure", "");
  const subllm::Structure structure = subllm::parse_structure(text, where + ": /structure");
  const int64_t n_layers = whole("decoder_layers", 24, within(1, 10000), "n_layer");
  if (n_layers != structure.n_blocks)
    throw UserError(where, "/decoder_layers " + std::to_string(n_layers) +
                               " disagrees with structure '" + text + "', which has " +
                               std::to_string(structure.n_blocks) + " T");
  const bool bias = read_key<bool>(config, where, "bias", false);
  const bool qk_bias = read_key<bool>(config, where, "qk_bias", true);
  const int64_t heads = whole("decoder_attention_heads", 32, within(1, 4096), "n_head");
  SubllmLayout out;
  out.model = {{"architecture", "llama"},
               {"d_model", whole("decoder_embed_dim", 2048, within(1, 1 << 20), "hidden_size")},
               {"d_ff", whole("decoder_ffn_embed_dim", 8192, within(1, 1 << 22))},
               {"n_layers", n_layers},
               {"n_heads", heads},
               {"n_kv_heads", heads},
               {"head_dim", 0},
               {"rope_theta", kRopeBase},
               {"norm_epsilon", kNormEpsilon},
               {"tied_head", read_key<bool>(config, where, "tie_weights", true)},
               {"attention_bias", bias || qk_bias},
               {"mlp_bias", false}};
  if (!structure.module_levels.empty())
    out.model.update({{"architecture", "subllm"},
                      {"structure", text},
                      {"retention", read_retention(config, where, structure.module_levels.size())},
                      {"preset", "published"}});
  out.value_and_out_bias = bias;
  out.vocab_size = whole("num_embeddings", 32000, within(1, 1e8), "vocab_size");
  out.context_len = whole("tokens_per_sample", 2048, within(1, 1e9));
  out.bos_id = whole("bos_token_id", 1, within(0, 1e9));
  out.eos_id = config.value("eos_token_id", json(2));
  eos_ids(out.eos_id, where + ": /eos_token_id");
  out.padding_id = whole("padding_idx", 0, within(-1, 1e9));
  return out;
}

json to_subllm_layout(const SubllmLayout& layout, const std::string& where) {
  const json& model = layout.model;
  refuse_inexpressible(model, where);
  json config = {{"model_type", "subllm"},
                 {"num_embeddings", layout.vocab_size},
                 {"decoder_embed_dim", model.at("d_model")},
                 {"decoder_ffn_embed_dim", model.at("d_ff")},
                 {"hidden_size", model.at("d_model")},
                 {"decoder_layers", model.at("n_layers")},
                 {"decoder_attention_heads", model.at("n_heads")},
                 {"norm_name", "rmsnorm"},
                 {"mlp_name", "swiglu"},
                 {"qk_bias", model.at("attention_bias")},
                 {"use_fused", false},
                 {"attn_type", "vanilla"},
                 {"tokens_per_sample", layout.context_len},
                 {"n_positions", layout.context_len},
                 {"padding_idx", layout.padding_id},
                 {"bos_token_id", layout.bos_id},
                 {"eos_token_id", layout.eos_id},
                 {"scale_token_embedding", false},
                 {"tie_weights", model.at("tied_head")},
                 {"structure", structure_of(model)}};
  if (model.at("attention_bias").get<bool>()) config["bias"] = true;
  if (model.contains("retention")) write_retention(model["retention"], config);
  return config;
}

std::vector<StoredTensor> subllm_layout_tensors(const LanguageModel& model,
                                                const SubllmLayout& layout,
                                                const std::string& where) {
  const subllm::Structure structure = subllm::parse_structure(structure_of(layout.model), where);
  for (const Buffer& buffer : model.buffers())
    if (buffer.tensor.count_nonzero().item<int64_t>() != 0)
      throw UserError(where, buffer.name + " is not 0, for which the SUBLLM layout has no place");
  const int64_t head_dim =
      layout.model.at("d_model").get<int64_t>() / layout.model.at("n_heads").get<int64_t>();
  Matcher matcher(model);
  matcher.add("decoder.embed_tokens.weight", {"model.embed_tokens.weight"});
  for (int64_t i = 0; i < structure.n_blocks; ++i)
    add_block(matcher, i, head_dim, layout.value_and_out_bias);
  for (size_t m = 0; m < structure.closing_order.size(); ++m) {
    const std::string ours = "model.modules." + std::to_string(m);
    matcher.add("decoder.downsamplers." + std::to_string(m) + ".to_scores.weight",
                {ours + ".scorer.weight"});
    matcher.add("decoder.bypasses." + std::to_string(structure.closing_order[m]) + ".bypass_scale",
                {ours + ".bypass_scale"});
  }
  matcher.add("decoder.layer_norm.weight", {"model.norm.weight"});
  const bool tied = layout.model.at("tied_head").get<bool>();
  matcher.out.push_back({"decoder.output_projection.weight",
                         {model.head_weight()},
                         tied ? "the embedding, although tie_weights is true" : ""});
  return matcher.out;
}

}  // namespace sublab

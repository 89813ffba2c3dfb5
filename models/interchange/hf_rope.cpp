// Both spellings of transformers' rotary positions, both ways (models/interchange/hf_rope.h).
#include "models/interchange/hf_rope.h"

#include <algorithm>
#include <cmath>

#include "core/kind.h"
#include "models/parts/scaled_rope.h"

namespace sublab {
namespace hf_rope {

constexpr const char* kOriginal = "original_max_position_embeddings";
constexpr const char* kKeys[] = {"rope_theta", "rope_parameters", "rope_scaling"};

void refuse_part_of_head(const HfKeys& keys) {
  if (keys.has("partial_rotary_factor") && keys.at("partial_rotary_factor") != 1)
    keys.refuse("partial_rotary_factor", "is not supported; expected 1");
}

double factor_of(const HfKeys& rope) {
  const double factor = rope.number("factor");
  if (!(factor >= 1)) rope.refuse("factor", "is below 1: it would shorten the window");
  return factor;
}

/// L of yarn and llama3: a key beside rope_parameters counts first.
int64_t original_len(const HfKeys& config, const HfKeys& rope) {
  if (config.has(kOriginal)) return config.whole(kOriginal, 0);
  return rope.has(kOriginal) ? rope.whole(kOriginal, 0) : hf_context_len(config);
}

/// `otherwise` where transformers takes its default: a key that is absent, null or 0.
double number_or(const HfKeys& rope, const char* key, double otherwise) {
  const bool given = rope.has(key) && rope.at(key) != 0;
  return given ? rope.number(key, above(0)) : otherwise;
}

json yarn(const HfKeys& config, const HfKeys& rope) {
  const int64_t original = original_len(config, rope), target = hf_context_len(config);
  json out = {{"type", "yarn"},
              {"original_context_len", original},
              {"beta_fast", number_or(rope, "beta_fast", 32)},
              {"beta_slow", number_or(rope, "beta_slow", 1)},
              {"truncate", rope.flag("truncate", true)}};
  if (rope.contains("factor") && !rope.has("factor")) {
    if (target < original)
      config.refuse("max_position_embeddings", "is shorter than the window that it is to extend, " +
                                                   std::to_string(original) + " tokens");
    out["factor"] = static_cast<double>(target) / static_cast<double>(original);
  } else {
    out["factor"] = factor_of(rope);
  }
  const double mscale = number_or(rope, "mscale", 0), all = number_or(rope, "mscale_all_dim", 0);
  if (rope.has("attention_factor"))
    out["attention_factor"] = rope.number("attention_factor", above(0));
  else if (mscale > 0 && all > 0)
    out.update({{"mscale", mscale}, {"mscale_all_dim", all}});
  return out;
}

json choice_of(const std::string& type, const HfKeys& config, const HfKeys& rope) {
  if (type == "linear") return {{"type", "linear"}, {"factor", factor_of(rope)}};
  if (type == "dynamic")
    return {{"type", "dynamic_ntk"},
            {"factor", factor_of(rope)},
            {"original_context_len", hf_context_len(config)}};
  if (type == "yarn") return yarn(config, rope);
  return {{"type", "llama3"},
          {"factor", factor_of(rope)},
          {"original_context_len", original_len(config, rope)},
          {"low_freq_factor", rope.number("low_freq_factor", above(0))},
          {"high_freq_factor", rope.number("high_freq_factor", above(0))}};
}

HfRope read(const HfKeys& config) {
  const auto given = [&](const char* key) { return config.has(key) && !config.at(key).empty(); };
  const char* source = given("rope_scaling") ? "rope_scaling" : "rope_parameters";
  const json inside = config.has(source) ? config.at(source) : json::object();
  const HfKeys rope(inside, config.place(source));
  const char* key = rope.contains("rope_type") ? "rope_type" : "type";
  const json type = inside.value(key, json("default"));
  for (const auto& [name, value] : inside.items())
    if (value.is_object())
      throw UserError(config.place(source), "has settings of its own for '" + name +
                                                "'; one for all layers is supported");
  static const std::vector<std::string> kTypes = {"default", "linear", "dynamic", "yarn", "llama3"};
  if (std::find(kTypes.begin(), kTypes.end(), type) == kTypes.end())
    throw UserError(config.place(source), "has rope type " + type.dump() +
                                              ", which is not supported; expected one of " +
                                              join(kTypes));
  refuse_part_of_head(rope);
  refuse_part_of_head(config);
  HfRope out;
  if (rope.contains("rope_theta") || config.contains("rope_theta"))
    out.theta = (rope.contains("rope_theta") ? rope : config).number("rope_theta", above(0));
  if (type != "default") out.choice = choice_of(type, config, rope);
  return out;
}

/// The settings of yarn, of which NTK-by-parts has no attention factor.
json yarn_keys(const json& rope, bool scales_logits) {
  json out = {{"rope_type", "yarn"},
              {"factor", rope.at("factor")},
              {kOriginal, rope.at("original_context_len")},
              {"beta_fast", rope.at("beta_fast")},
              {"beta_slow", rope.at("beta_slow")},
              {"truncate", rope.at("truncate")}};
  if (!scales_logits) out["attention_factor"] = 1.0;
  for (const char* key : {"attention_factor", "mscale", "mscale_all_dim"})
    if (scales_logits && !rope.at(key).is_null()) out[key] = rope.at(key);
  return out;
}

json llama3_keys(const json& rope, const char* slow, const char* fast) {
  return {{"rope_type", "llama3"},
          {"factor", rope.at("factor")},
          {kOriginal, rope.at("original_context_len")},
          {"low_freq_factor", rope.at(slow)},
          {"high_freq_factor", rope.at(fast)}};
}

/// Inside rope_parameters, without the base. NTK-by-parts is a yarn that scales no logits, or with
/// the paper's ramp a llama3.
json inside_of(const json& rope) {
  const std::string type = rope.at("type");
  const bool paper = rope.contains("ramp") && rope.at("ramp") == "paper";
  if (type == "none" || type == "ntk") return {{"rope_type", "default"}};
  if (type == "linear") return {{"rope_type", "linear"}, {"factor", rope.at("factor")}};
  if (type == "dynamic_ntk")
    return {{"rope_type", "dynamic"},
            {"factor", rope.at("factor")},
            {kOriginal, rope.at("original_context_len")}};
  if (type == "llama3") return llama3_keys(rope, "low_freq_factor", "high_freq_factor");
  if (type == "ntk_by_parts" && paper) return llama3_keys(rope, "beta_slow", "beta_fast");
  if ((type == "yarn" && !paper) || type == "ntk_by_parts") return yarn_keys(rope, type == "yarn");
  json out = rope;
  out.erase("type");
  out["rope_type"] = paper ? type + "_paper" : type;
  return out;
}

}  // namespace hf_rope

int64_t hf_context_len(const HfKeys& config) {
  constexpr int64_t kDefault = 2048;
  return config.whole("max_position_embeddings", kDefault);
}

json hf_rope_keys(const json& model, int64_t context_len) {
  const json& rope = model.at("rope");
  json inside = hf_rope::inside_of(rope);
  double theta = model.at("rope_theta");
  if (rope.at("type") == "ntk") theta = ntk_base(model.at("head_dim"), theta, rope.at("factor"));
  const std::string type = inside.at("rope_type");
  json out = {{"rope_theta", theta}, {"max_position_embeddings", context_len}};
  if (type == "dynamic") out["max_position_embeddings"] = inside.at(hf_rope::kOriginal);
  if (type == "yarn" || type == "llama3")
    out["max_position_embeddings"] = std::llround(inside.at("factor").get<double>() *
                                                  inside.at(hf_rope::kOriginal).get<double>());
  if (type != "default") out["rope_scaling"] = inside;
  inside["rope_theta"] = theta;
  out["rope_parameters"] = inside;
  return out;
}

HfRope read_hf_rope(const HfKeys& config, const json& own) {
  try {
    const json written = hf_rope_keys(own, 0);
    bool same = true;
    for (const char* key : hf_rope::kKeys)
      same = same && written.value(key, json()) == (config.has(key) ? config.at(key) : json());
    if (same && written.at("rope_parameters").at("rope_type") == "dynamic")
      same = config.has("max_position_embeddings") &&
             config.at("max_position_embeddings") == written.at("max_position_embeddings");
    if (same && chosen_type(own.at("rope")) == "none") same = false;  // the keys say all of it
    if (same) return {own.at("rope"), own.at("rope_theta")};
  } catch (const json::exception&) {
    // No model that this program resolved: the keys alone count.
  }
  return hf_rope::read(config);
}

}  // namespace sublab

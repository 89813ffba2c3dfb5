// Which of SUBLLM's settings go together.
#include "models/subllm/config.h"

namespace sublab::subllm {
namespace {

/// The paper's schedules, in optimizer steps.
constexpr double kPaperBalancerSteps = 8000;

/// The rule of the paper and of the code around it, where it differs from the defaults.
json published_rule() {
  return {
      {"scorer",
       {{"type", "learned"}, {"input", "raw"}, {"init_scale", 1.0}, {"learning_rate_scale", 0.5}}},
      {"evaluate_selector", {{"type", "threshold"}}},
      {"balancer_strength", 0.04}};
}

/// The preset's value of a key, changed by what was given: settings that a choice leaves out are
/// the preset's where it names the preset's entry.
json with_given(json value, const std::string& key, const json& given, const std::string& path) {
  if (!given.contains(key)) return value;
  if (!value.is_object()) return given[key];
  json choice = read_choice(given[key], path + "/" + key, value["type"]);
  if (choice["type"] != value["type"]) return given[key];
  if (choice.contains("init_std")) value.erase("init_scale");  // one of them is the start
  value.update(choice);
  return value;
}

/// The same settings with the preset's values of the keys that are not given.
Config preset_values(const Config& config, const json& given, const std::string& path) {
  if (config.preset == "default") return config;
  json all = write_fields(config);
  const json rule = published_rule();
  for (const auto& [key, value] : rule.items()) all[key] = with_given(value, key, given, path);
  Config out;
  read_fields(all, path, out);
  return out;
}

/// What stands where nothing is given.
Config preset_defaults(const std::string& preset, const std::string& path) {
  Config out;
  out.preset = preset;
  return preset_values(out, json::object(), path);
}

/// Settings that would have no effect are refused unless they are left at their default.
class Effects {
 public:
  Effects(const Config& config, const Config& defaults, std::string path)
      : given_(write_fields(config)), defaults_(write_fields(defaults)), path_(std::move(path)) {}
  void none(const std::vector<std::string>& keys, const std::string& why) const {
    for (const std::string& key : keys)
      if (given_.at(key) != defaults_.at(key))
        throw UserError(path_ + "/" + key, given_.at(key).dump() + " has no effect " + why);
  }

 private:
  json given_, defaults_;
  std::string path_;
};

void check_effects(const Config& config, const std::string& path, size_t n_modules,
                   const Parts& parts) {
  Config defaults = preset_defaults(config.preset, path);
  defaults.RouterConfig::resolve(path, 1, parts, RouterConfig());
  const Effects effects(config, defaults, path);
  const std::string gate = chosen_type(config.gate);
  if (!find_entry(parts.gates, "gate", gate, path).reads_scores)
    effects.none({"attention_log_weight"}, "with gate " + gate);
  if (config.attention_log_weight && gate == "raw")
    throw UserError(path + "/attention_log_weight",
                    "takes the logarithm of weights, which gate raw lets be negative");
  if (config.schedule == "paper_steps")
    effects.none({"balancer_ramp", "bypass_ramp"}, "with schedule paper_steps");
  if (config.bypass_probability == 0)
    effects.none({"bypass_low_start", "bypass_low_end", "bypass_ramp"},
                 "with bypass_probability 0");
  if (n_modules == 0)
    effects.none({"retention", "scorer", "train_scorer", "evaluate_selector", "retention_ramp"},
                 "in a structure without '('");
}

}  // namespace

void Config::resolve(const std::string& path, const json& given, const Parts& parts) {
  *this = preset_values(*this, given, path);
  const Structure parsed = parse_structure(structure, path + "/structure");
  if (given.contains("n_layers") && n_layers != parsed.n_blocks)
    throw UserError(path + "/n_layers", std::to_string(n_layers) + " disagrees with structure '" +
                                            structure + "', which has " +
                                            std::to_string(parsed.n_blocks) + " T");
  n_layers = parsed.n_blocks;
  DecoderConfig::resolve(path);
  AttentionConfig::resolve(path, parts);
  const size_t n_modules = parsed.module_levels.size();
  RouterConfig::resolve(path, n_modules, parts, preset_defaults(preset, path));
  for (const json& choice : {scorer, train_scorer}) {
    const std::string name = chosen_type(choice);
    if (name != "same" && find_entry(parts.scorers, "scorer", name, path).needs.attention)
      parsed.check_block_before_each_module(path + "/structure", name);
  }
  check_effects(*this, path, n_modules, parts);
  if (schedule == "paper_steps") balancer_ramp_steps = kPaperBalancerSteps;
}

void refuse_moved_keys(const Config&, const json& model, const std::string& path) {
  static const std::vector<std::pair<std::string, std::string>> moved = {
      {"scorer_input", "scorer.input"},
      {"scorer_init_std", "scorer.init_std"},
      {"scorer_learning_rate_scale", "scorer.learning_rate_scale"},
      {"threshold", "evaluate_selector.threshold"},
      {"rounding", "train_selector.rounding"}};
  for (const auto& [key, place] : moved)
    if (model.contains(key))
      throw UserError(path + "/" + key, "is a setting of a part now: write model." + place);
}

}  // namespace sublab::subllm

#include "models/subllm/config.h"

namespace sublab::subllm {
namespace {

template <class Entry>
const Entry& find_by_name(const std::vector<Entry>& entries, const std::string& kind,
                          const std::string& name, const std::string& where) {
  std::vector<std::string> names;
  for (const auto& entry : entries) {
    if (entry.name == name) return entry;
    names.push_back(entry.name);
  }
  throw_unknown_name(where, kind, name, names);
}

void check_retention(const json& retention, size_t n_modules, const std::string& path) {
  const auto check = [](const json& value, const std::string& at) {
    if (!value.is_number()) fields_detail::throw_type(at, "a number in (0, 1]", value);
    fields_detail::check_number(at, value.get<double>(), above(0, 1));
  };
  if (!retention.is_array()) return check(retention, path);
  if (retention.size() != n_modules)
    throw UserError(path, "lists " + std::to_string(retention.size()) +
                              " values, but structure has " + std::to_string(n_modules) + " '('");
  for (size_t i = 0; i < retention.size(); ++i) check(retention[i], path + "/" + std::to_string(i));
}

}  // namespace

const ScorerEntry& find_scorer(const Parts& parts, const std::string& name,
                               const std::string& where) {
  return find_by_name(parts.scorers, "scorer", name, where);
}

const SelectorEntry& find_selector(const Parts& parts, const std::string& name,
                                   const std::string& where) {
  return find_by_name(parts.selectors, "selector", name, where);
}

namespace {

/// Settings that would have no effect are refused unless they are left at their default.
class Effects {
 public:
  Effects(const Config& config, std::string path)
      : given_(write_fields(config)), defaults_(write_fields(Config{})), path_(std::move(path)) {}
  void none(const std::vector<std::string>& keys, const std::string& why) const {
    for (const std::string& key : keys)
      if (given_.at(key) != defaults_.at(key))
        throw UserError(path_ + "/" + key, given_.at(key).dump() + " has no effect " + why);
  }

 private:
  json given_, defaults_;
  std::string path_;
};

void check_effects(const Config& config, const std::string& path, const Parts& parts) {
  const Effects effects(config, path);
  const std::string gate = "with gate " + config.gate;
  if (config.gate == "one")
    effects.none({"attention_log_weight", "balancer_strength", "balancer_probability_end"}, gate);
  if (config.scorer != "learned")
    effects.none({"scorer_input", "scorer_init_std", "scorer_learning_rate_scale"},
                 "with scorer " + config.scorer);
  if (config.schedule == "paper_steps")
    effects.none({"balancer_ramp", "bypass_ramp"}, "with schedule paper_steps");
  if (config.bypass_probability == 0)
    effects.none({"bypass_low_start", "bypass_low_end", "bypass_ramp"},
                 "with bypass_probability 0");
  if (!find_selector(parts, config.evaluate_selector, path).uses_threshold)
    effects.none({"threshold"}, "with evaluate_selector " + config.evaluate_selector);
  if (parse_structure(config.structure, path).module_levels.empty())
    effects.none({"retention", "scorer", "train_scorer", "threshold", "retention_ramp"},
                 "in a structure without '('");
}

}  // namespace

void Config::resolve_selection(const std::string& path, const Parts& parts) {
  const ScorerEntry& chosen = find_scorer(parts, scorer, path + "/scorer");
  const bool other = train_scorer != "same" && train_scorer != scorer;
  if (other && find_scorer(parts, train_scorer, path + "/train_scorer").weighs)
    throw UserError(path + "/train_scorer", "'" + train_scorer +
                                                "' learns through the gate, which it would not "
                                                "reach; set it as scorer");
  const SelectorEntry& evaluates =
      find_selector(parts, evaluate_selector, path + "/evaluate_selector");
  if (!chosen.causal && evaluates.causal)
    throw UserError(path + "/scorer",
                    "'" + scorer + "' looks at later tokens, so it cannot decide in evaluation; " +
                        "set it as train_scorer, or study it offline with evaluate_selector top_k");
  if (gate == "auto") gate = chosen.weighs ? "score" : "one";
  if (gate == "score" && !chosen.weighs)
    throw UserError(path + "/gate", "the scores of '" + scorer + "' are no weights; use one");
  if (train_selector == "auto")
    train_selector = gate == "score" && !other ? "top_k_discard" : "top_k";
  if (train_selector == "top_k_discard" && (gate != "score" || other))
    throw UserError(path + "/train_selector",
                    "top_k_discard changes the weights that the selecting scores give, so it needs "
                    "gate score and no train_scorer");
  find_selector(parts, train_selector, path + "/train_selector");
}

void Config::resolve(const std::string& path, const json& given, const Parts& parts) {
  const Structure parsed = parse_structure(structure, path + "/structure");
  if (given.contains("n_layers") && n_layers != parsed.n_blocks)
    throw UserError(path + "/n_layers", std::to_string(n_layers) + " disagrees with structure '" +
                                            structure + "', which has " +
                                            std::to_string(parsed.n_blocks) + " T");
  n_layers = parsed.n_blocks;
  DecoderConfig::resolve(path);
  check_retention(retention, parsed.module_levels.size(), path + "/retention");
  resolve_selection(path, parts);
  for (const std::string& name : {scorer, train_scorer})
    if (name != "same" && find_scorer(parts, name, path).needs.attention)
      parsed.check_block_before_each_module(path + "/structure", name);
  check_effects(*this, path, parts);
}

}  // namespace sublab::subllm

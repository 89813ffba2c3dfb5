// What of a router's settings has no meaning, and what "auto" stands for.
#include "models/selection/router.h"

namespace sublab {
namespace router_config {

void check_retention(const json& retention, size_t n_sites, const std::string& path) {
  const auto check = [](const json& value, const std::string& at) {
    if (!value.is_number()) fields_detail::throw_type(at, "a number in (0, 1]", value);
    fields_detail::check_number(at, value.get<double>(), above(0, 1));
  };
  if (!retention.is_array()) return check(retention, path);
  if (retention.size() != n_sites)
    throw UserError(path, "lists " + std::to_string(retention.size()) +
                              " values, but structure has " + std::to_string(n_sites) + " '('");
  for (size_t i = 0; i < retention.size(); ++i) check(retention[i], path + "/" + std::to_string(i));
}

}  // namespace router_config

void RouterConfig::resolve_choices(const std::string& path, const SelectionParts& parts) {
  scorer = resolve_choice(parts.scorers, "scorer", scorer, path + "/scorer", "learned");
  json other = read_choice(train_scorer, path + "/train_scorer", "same");
  if (chosen_type(other) != "same")
    other = resolve_choice(parts.scorers, "scorer", other, path + "/train_scorer", "same");
  if (other == scorer) other = {{"type", "same"}};
  if (chosen_type(other) == "same" && other.size() > 1)
    throw UserError(path + "/train_scorer", "'same' takes no settings; those of scorer count");
  train_scorer = other;
  const ScorerEntry& scores =
      find_entry(parts.scorers, "scorer", chosen_type(scorer), path + "/scorer");
  gate = read_choice(gate, path + "/gate", "auto");
  if (gate["type"] == "auto") gate["type"] = scores.weighs ? "score" : "one";
  gate = resolve_choice(parts.gates, "gate", gate, path + "/gate", "auto");
  const GateEntry& weighs = find_entry(parts.gates, "gate", chosen_type(gate), path);
  const bool learns = weighs.reads_scores;
  evaluate_selector = read_choice(evaluate_selector, path + "/evaluate_selector", "auto");
  if (evaluate_selector["type"] == "auto")
    evaluate_selector["type"] = learns ? "expert_threshold" : "threshold";
  evaluate_selector = resolve_choice(parts.selectors, "selector", evaluate_selector,
                                     path + "/evaluate_selector", "auto");
  train_selector = read_choice(train_selector, path + "/train_selector", "auto");
  if (train_selector["type"] == "auto")
    train_selector["type"] =
        learns && !has_train_scorer() && !weighs.compares ? "top_k_discard" : "top_k";
  train_selector =
      resolve_choice(parts.selectors, "selector", train_selector, path + "/train_selector", "auto");
}

/// Settings of a balancer that never acts.
void RouterConfig::check_no_balancer(const std::string& path, bool learns,
                                     const RouterConfig& defaults) const {
  const auto none = [&](const char* key, const json& given, const json& usual) {
    if (given != usual)
      throw UserError(path + "/" + key,
                      given.dump() + " has no effect with " +
                          (learns ? "balancer_strength 0" : "gate " + chosen_type(gate)));
  };
  if (!learns) none("balancer_strength", balancer_strength, defaults.balancer_strength);
  none("balancer", balancer, defaults.balancer);
  none("balancer_probability_end", balancer_probability_end, defaults.balancer_probability_end);
  none("balancer_ramp", balancer_ramp, defaults.balancer_ramp);
  none("balancer_min_abs", balancer_min_abs, defaults.balancer_min_abs);
  none("balancer_max_abs", balancer_max_abs, defaults.balancer_max_abs);
}

void RouterConfig::resolve(const std::string& path, size_t n_sites, const SelectionParts& parts,
                           const RouterConfig& defaults) {
  router_config::check_retention(retention, n_sites, path + "/retention");
  resolve_choices(path, parts);
  const std::string name = chosen_type(scorer), trains = chosen_type(train_scorer);
  const ScorerEntry& scores = find_entry(parts.scorers, "scorer", name, path);
  if (has_train_scorer() && find_entry(parts.scorers, "scorer", trains, path).weighs)
    throw UserError(path + "/train_scorer", "'" + trains +
                                                "' learns through the gate, which it would not "
                                                "reach; set it as scorer");
  if (!scores.causal &&
      find_entry(parts.selectors, "selector", chosen_type(evaluate_selector), path).causal)
    throw UserError(path + "/scorer",
                    "'" + name + "' looks at later tokens, so it cannot decide in evaluation; " +
                        "set it as train_scorer, or study it offline with evaluate_selector top_k");
  const GateEntry& weighs = find_entry(parts.gates, "gate", chosen_type(gate), path);
  const bool learns = weighs.reads_scores;
  if (learns && !scores.weighs)
    throw UserError(path + "/gate", "the scores of '" + name + "' are no weights; use one");
  const std::string selects = chosen_type(train_selector);
  if (find_entry(parts.selectors, "selector", selects, path).changes_weights &&
      (!learns || has_train_scorer() || weighs.compares))
    throw UserError(path + "/train_selector",
                    selects +
                        " changes the weights that the selecting scores give, so it needs a gate "
                        "that reads them (score), each alone, and no train_scorer");
  if (!learns || balancer_strength == 0) check_no_balancer(path, learns, defaults);
}

}  // namespace sublab

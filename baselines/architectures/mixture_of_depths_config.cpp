// Which of Mixture-of-Depths' settings go together, and what "auto" stands for.
#include "baselines/architectures/mixture_of_depths_config.h"

#include <algorithm>

namespace sublab::mixture_of_depths {

std::vector<int64_t> Config::routed(const std::string& path) const {
  const auto refuse = [&](const std::string& why) {
    throw UserError(path + "/routed_blocks", routed_blocks.dump() + " " + why);
  };
  std::vector<int64_t> out;
  if (routed_blocks == "every_other" || routed_blocks == "all") {
    const int64_t step = routed_blocks == "all" ? 1 : 2;
    for (int64_t i = step - 1; i < n_layers; i += step) out.push_back(i);
  } else {
    if (!routed_blocks.is_array()) refuse("is neither every_other nor all nor a list of blocks");
    for (const json& each : routed_blocks) {
      if (!each.is_number_integer()) refuse("lists what is no block number");
      const auto i = each.get<int64_t>();
      if (i < 0 || i >= n_layers) refuse("names a block outside 0 .. n_layers - 1");
      if (!out.empty() && i <= out.back()) refuse("does not ascend");
      out.push_back(i);
    }
  }
  if (out.empty())
    refuse("routes no block of " + std::to_string(n_layers) + "; architecture llama is that");
  return out;
}

/// Settings that a choice of `learned` leaves out are this architecture's.
void Config::take_scorer(const std::string& path, const json& given) {
  json whole = own_scorer();
  if (given.contains("scorer")) {
    const json choice = read_choice(given["scorer"], path + "/scorer", "learned");
    if (choice["type"] != "learned") return;
    if (choice.contains("init_std")) whole.erase("init_scale");  // one of them is the start
    whole.update(choice);
  }
  scorer = whole;
}

void Config::settle_decision(const std::string& path, const Parts& parts) {
  const std::string scores = chosen_type(scorer), selects = chosen_type(train_selector);
  const bool trained = find_entry(parts.scorers, "scorer", scores, path + "/scorer").weighs;
  const bool looks_ahead =
      !find_entry(parts.selectors, "selector", selects, path + "/train_selector").causal;
  if (decision == "auto") decision = trained && looks_ahead ? "auxiliary_loss" : "scores";
  const auto refuse = [&](const std::string& why) {
    throw UserError(path + "/decision", "'" + decision + "' " + why + "; use scores");
  };
  if (decision == "auxiliary_loss" && !trained)
    refuse("teaches scores, and those of '" + scores + "' are not trained");
  if (decision != "scores" && !looks_ahead)
    refuse("teaches what a causal pass cannot see, and train_selector '" + selects +
           "' sees nothing else");
  const auto no_effect = [&](const char* key, const json& value) {
    throw UserError(path + "/" + key, value.dump() + " has no effect with decision " + decision);
  };
  if (decision == "scores" && auxiliary_weight != Config().auxiliary_weight)
    no_effect("auxiliary_weight", auxiliary_weight);
  if (decision != "predictor" && predictor_width != 0)
    no_effect("predictor_width", predictor_width);
  if (decision == "predictor" && predictor_width == 0)
    predictor_width = std::max<int64_t>(d_model / 4, 1);
  others_decide = decision == "predictor";
}

void Config::check_attention_scorers(const std::string& path, const Parts& parts) const {
  const std::vector<int64_t> blocks = routed(path);
  for (const json& choice : {scorer, train_scorer}) {
    const std::string name = chosen_type(choice);
    if (name == "same" || !find_entry(parts.scorers, "scorer", name, path).needs.attention)
      continue;
    for (const int64_t i : blocks)
      if (i == 0 || std::binary_search(blocks.begin(), blocks.end(), i - 1))
        throw UserError(path + "/routed_blocks",
                        "block " + std::to_string(i) +
                            " has no block that all tokens pass right before it, whose attention "
                            "scorer '" +
                            name + "' reads");
  }
}

void Config::resolve(const std::string& path, const json& given, const Parts& parts) {
  DecoderConfig::resolve(path);
  AttentionConfig::resolve(path, parts);
  const size_t n_routed = routed(path).size();
  if (retention.is_array() && retention.size() != n_routed)
    throw UserError(path + "/retention", "lists " + std::to_string(retention.size()) +
                                             " values, but " + std::to_string(n_routed) +
                                             " blocks are routed");
  take_scorer(path, given);
  gate = read_choice(gate, path + "/gate", "auto");
  if (gate["type"] == "auto")
    gate["type"] = find_entry(parts.scorers, "scorer", chosen_type(scorer), path + "/scorer").weighs
                       ? "raw"
                       : "one";
  train_selector = read_choice(train_selector, path + "/train_selector", "top_k");
  if (train_selector["type"] == "auto") train_selector["type"] = "top_k";
  settle_decision(path, parts);
  evaluate_selector = read_choice(evaluate_selector, path + "/evaluate_selector", "auto");
  if (evaluate_selector["type"] == "auto" && decision != "scores")
    evaluate_selector["type"] = "threshold";
  weighs_at_full_retention = true;
  RouterConfig::resolve(path, n_routed, parts, RouterConfig());
  check_attention_scorers(path, parts);
}

}  // namespace sublab::mixture_of_depths

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

void Config::resolve(const std::string& path, const json& given, const Parts& parts) {
  const Structure parsed = parse_structure(structure, path + "/structure");
  if (given.contains("n_layers") && n_layers != parsed.n_blocks)
    throw UserError(path + "/n_layers", std::to_string(n_layers) + " disagrees with structure '" +
                                            structure + "', which has " +
                                            std::to_string(parsed.n_blocks) + " T");
  n_layers = parsed.n_blocks;
  DecoderConfig::resolve(path);
  check_retention(retention, parsed.module_levels.size(), path + "/retention");
  const ScorerEntry& chosen = find_scorer(parts, scorer, path + "/scorer");
  if (!chosen.causal && evaluate_selector == "threshold")
    throw UserError(path + "/scorer",
                    "'" + scorer + "' is not causal, so it cannot decide in evaluation");
  if (gate == "auto") gate = chosen.weighs ? "score" : "one";
  if (gate == "score" && !chosen.weighs)
    throw UserError(path + "/gate", "the scores of '" + scorer + "' are no weights; use one");
  if (train_selector == "auto") train_selector = gate == "score" ? "top_k_discard" : "top_k";
  if (train_selector == "top_k_discard" && gate != "score")
    throw UserError(path + "/train_selector",
                    "top_k_discard changes weights, so it needs gate score");
  find_selector(parts, train_selector, path + "/train_selector");
  find_selector(parts, evaluate_selector, path + "/evaluate_selector");
}

}  // namespace sublab::subllm

// Checks of what was resolved (experiments/plan/resolve_checks.h).
#include "experiments/plan/resolve_checks.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "core/schema/checkpoint_path.h"
#include "core/schema/equal_cost.h"
#include "core/schema/metrics.h"
#include "data/corpus.h"
#include "experiments/checkpoint/checkpoint.h"
#include "experiments/plan/cost_estimate.h"
#include "models/interchange/tensors.h"

namespace sublab {

void check_split(const DataConfig& data, Split split, const std::string& who,
                 const std::string& where) {
  if (!data.on_text()) return;
  for (const std::string& name : data.corpus)
    if (!fs::exists(corpus_folder(name) / "manifest.json")) return;
  const auto empty = empty_splits(data.corpus);
  if (std::find(empty.begin(), empty.end(), split) != empty.end())
    throw UserError(where + "/data/corpus",
                    "no document of " + join(data.corpus) + " fell into the " + split_name(split) +
                        " split, which " + who + " needs; import more, or shorter, documents");
}

void check_splits(const TrialConfig& config, const std::string& where) {
  check_split(config.data, Split::train, "training", where);
  for (const json& task : config.evaluate)
    for (const Split split : kSplits)
      if (task.value("split", json()) == split_name(split))
        check_split(config.data, split, "task " + task.at("task").get<std::string>(), where);
}

void check_trained_length(const TrialConfig& config, int64_t context_len,
                          const std::string& where) {
  if (config.train.tokens > 0) return;
  for (size_t i = 0; i < config.evaluate.size(); ++i) {
    const json& task = config.evaluate[i];
    const auto window = task.value("window", int64_t{0});
    if (window > context_len && !task.value("extrapolate", false))
      throw UserError(where + "/evaluate/" + std::to_string(i) + "/window",
                      std::to_string(window) + " is above the " + std::to_string(context_len) +
                          " tokens of a row that the weights of train.from were trained on; "
                          "\"extrapolate\": true allows it");
  }
}

void check_questions_differ(const TrialConfig& config, const std::string& where) {
  std::map<std::string, std::string> seen;  // id -> path
  for (size_t i = 0; i < config.evaluate.size(); ++i) {
    const std::string at = where + "/evaluate/" + std::to_string(i);
    const RecordedEvaluation asked = recorded_evaluation(config.evaluate[i], 1, json::object());
    // Tables know a question by its task and conditions, whatever text or data it reads.
    const auto [first, is_new] =
        seen.emplace(asked.task + asked.conditions.dump(), "/evaluate/" + std::to_string(i));
    if (is_new) continue;
    const bool own_data = config.evaluate[i].contains(condition::kContent);
    throw UserError(at, "asks the same as " + first->second +
                            (own_data ? "; where the data differ, so must \"name\"" : ""));
  }
}

void check_start(const json& parent, int64_t parent_vocab, const TrialConfig& config, int64_t vocab,
                 const std::string& where, const Catalog& catalog) {
  const auto shapes_of = [&](const json& model, int64_t n) {
    return catalog.architecture(model.at("architecture"), where)
        .make(model, n, Initial::shapes(), catalog.parts);
  };
  const auto theirs = shapes_of(parent, parent_vocab), own = shapes_of(config.model, vocab);
  const std::string at = where + "/train/from: the model of '" + config.train.from + "'";
  own->graft(copy_shared_weights(*theirs, *own, at), at);
}

double known_cost(const std::string& by, const TrialConfig& config, const Catalog& catalog) {
  if (by == "train_tokens") return static_cast<double>(config.train.tokens);
  const auto model = planned_model(config, catalog);
  return by == "parameters" ? n_parameters(*model) : training_flops(*model, config);
}

double inherited_cost(const std::string& by, const TrialConfig& config, const FindVariant& find,
                      const std::string& where, const Catalog& catalog) {
  const std::string& from = config.train.from;
  if (from.empty()) return 0;
  if (const auto parent = find(from))
    return known_cost(by, *parent, catalog) + inherited_cost(by, *parent, find, where, catalog);
  const CheckpointInfo info = read_checkpoint_header(find_checkpoint(from), catalog).info;
  const auto& cost = by == "train_tokens" ? info.trained_tokens : info.trained_flops;
  if (!cost)
    throw UserError(where + "/count_parents",
                    "'" + from +
                        "' does not say what its training took: sublab:trained_tokens and "
                        "trained_flops of its config.json");
  return *cost;
}

namespace {

void check_one(const EqualCost& match, const ResolvedStudy& resolved, const std::string& at,
               const Catalog& catalog) {
  const auto& among = match.variants;
  std::vector<std::pair<std::string, double>> costs;  // of main trials
  std::optional<double> wanted;
  const std::string& reference = reference_of(match, resolved.study.compare_to);
  const auto find = [&](const std::string& name) -> std::optional<TrialConfig> {
    for (const ResolvedTrial& trial : resolved.trials)
      if (trial.variant == name && trial.probe.empty()) return trial.config;
    return std::nullopt;
  };
  for (const ResolvedTrial& trial : resolved.trials) {
    const bool counts =
        trial.probe.empty() &&
        (among.empty() || std::find(among.begin(), among.end(), trial.variant) != among.end());
    if (!counts) continue;
    costs.emplace_back(trial.variant, known_cost(match.by, trial.config, catalog));
    if (match.count_parents)
      costs.back().second += inherited_cost(match.by, trial.config, find, at, catalog);
    if (trial.variant == reference) wanted = costs.back().second;
  }
  for (const auto& [variant, cost] : costs)
    if (std::abs(cost - *wanted) > match.tolerance * *wanted)
      throw UserError(at, match.by + " differs: " + reference + " has " + json(*wanted).dump() +
                              ", " + variant + " has " + json(cost).dump() + ", tolerance " +
                              json(match.tolerance).dump());
}

}  // namespace

void check_equal_cost(const ResolvedStudy& resolved, const Catalog& catalog) {
  const json& matches = resolved.study.match;
  for (size_t i = 0; i < matches.size(); ++i) {
    const std::string at = resolved.study.file + ": /match/" + std::to_string(i);
    EqualCost match;
    read_fields(matches[i], at, match);
    if (match.by == "train_seconds" || match.by == "peak_memory") continue;  // known afterwards
    check_one(match, resolved, at, catalog);
  }
}

}  // namespace sublab

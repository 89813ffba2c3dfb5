#include "experiments/plan/resolve.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/hash.h"
#include "core/safetensors.h"
#include "core/schema/checkpoint_path.h"
#include "data/corpus.h"
#include "data/sources/sources.h"
#include "data/tokenizer.h"
#include "experiments/checkpoint/checkpoint.h"
#include "experiments/checkpoint/checkpoint_tokenizer.h"
#include "experiments/plan/claim_files.h"
#include "experiments/plan/resolve_checks.h"
#include "experiments/text/content.h"

namespace sublab {
namespace {

void check_data(const DataConfig& data, const std::string& where, const Catalog& catalog) {
  if (data.train_on != "text") {
    if (!catalog.task(data.train_on, where + "/data/train_on").training_rows)
      throw UserError(where + "/data/train_on",
                      "'" + data.train_on + "' makes no rows to train on");
    return;
  }
  if (data.corpus.empty())
    throw UserError(where + "/data/corpus",
                    "is empty; name at least one (see `sublab corpus list`)");
  std::vector<std::string> known = prepared_corpora();
  for (const Source& source : text_sources()) known.push_back(source.name);
  for (size_t i = 0; i < data.corpus.size(); ++i)
    if (std::find(known.begin(), known.end(), data.corpus[i]) == known.end())
      throw_unknown_name(where + "/data/corpus/" + std::to_string(i), "corpus", data.corpus[i],
                         known);
  check_tokenizer_spec(data.tokenizer, where + "/data/tokenizer");
}

/// A scorer that reads hints needs rows that carry them.
void check_hints(const json& model, const DataConfig& data, const std::string& where,
                 const Catalog& catalog) {
  if (data.train_on != "text" && catalog.task(data.train_on, where).gives_hints) return;
  for (const std::string key : {"scorer", "train_scorer"})
    for (const ScorerEntry& scorer : catalog.parts.scorers) {
      if (!scorer.needs.hints || model.value(key, json()) != scorer.name) continue;
      std::string tasks;
      for (const TaskEntry& task : catalog.tasks)
        if (task.gives_hints) tasks += (tasks.empty() ? "" : ", ") + task.name;
      throw UserError(where + "/model/" + key,
                      "'" + scorer.name + "' reads which tokens matter, but data.train_on " +
                          data.train_on + " does not say it; allowed with data.train_on " + tasks);
    }
}

std::vector<json> resolve_tasks(const json& given, const TrialConfig& config,
                                const std::string& where, const Catalog& catalog) {
  std::vector<json> tasks;
  if (!given.is_array()) fields_detail::throw_type(where, "a list", given);
  for (size_t i = 0; i < given.size(); ++i) {
    const std::string at = where + "/" + std::to_string(i);
    if (!given[i].is_object() || !given[i].contains("task") || !given[i]["task"].is_string())
      fields_detail::throw_type(at, "an object with a string \"task\"", given[i]);
    tasks.push_back(
        catalog.task(given[i]["task"], at + "/task").resolve(given[i], at, config.data));
    for (size_t j = 0; j < i; ++j)
      if (tasks[j] == tasks[i]) throw UserError(at, "is what entry " + std::to_string(j) + " is");
  }
  return tasks;
}

/// `model` with the sizes of `theirs` where it does not say its own.
json with_shape_of(const json& theirs, json model) {
  for (const FieldHelp& field : describe_fields<DecoderConfig>())
    if (!model.contains(field.name)) model[field.name] = theirs.at(field.name);
  return model;
}

}  // namespace

TrialConfig resolve_trial(const json& given, const std::string& where, const Catalog& catalog,
                          const std::vector<std::string>& variants) {
  fields_detail::check_keys(given, where, {"model", "data", "train", "evaluate"});
  TrialConfig config;
  read_fields(given.value("data", json::object()), where + "/data", config.data);
  read_fields(given.value("train", json::object()), where + "/train", config.train);
  check_data(config.data, where, catalog);
  if (config.train.batch_tokens < config.data.context_len)
    throw UserError(where + "/train/batch_tokens", std::to_string(config.train.batch_tokens) +
                                                       " tokens hold no row of data.context_len " +
                                                       std::to_string(config.data.context_len));
  json model = given.value("model", json::object());
  if (!model.is_object()) fields_detail::throw_type(where + "/model", "an object", model);
  const json name = model.value("architecture", json("llama"));
  if (!name.is_string()) fields_detail::throw_type(where + "/model/architecture", "a string", name);
  model["architecture"] = name;
  const bool is_variant =
      std::find(variants.begin(), variants.end(), config.train.from) != variants.end();
  std::optional<CheckpointInfo> parent;
  if (!is_variant && (fs::is_directory(config.train.from) || names_variant(config.train.from))) {
    parent = load_checkpoint(find_checkpoint(config.train.from), catalog).info;
    model = with_shape_of(parent->model, std::move(model));
  }
  if (config.train.from_other_tokenizer && config.train.from.empty())
    throw UserError(where + "/train/from_other_tokenizer", "has no effect without train.from");
  config.model = catalog.architecture(name, where + "/model/architecture")
                     .resolve(model, where + "/model", catalog.parts);
  check_hints(config.model, config.data, where, catalog);
  config.evaluate =
      resolve_tasks(given.value("evaluate", json::array()), config, where + "/evaluate", catalog);
  check_questions_differ(config, where);
  check_splits(config, where);
  if (parent) check_trained_length(config, parent->context_len, where);
  return config;
}

std::string train_id_of(const TrialConfig& config, int64_t seed, const std::string& from,
                        int64_t threads, const PlanContent& content, const Catalog& catalog) {
  json identity = write_fields(config);
  identity.erase("evaluate");
  identity["data"] = training_identity(config.data, content);
  identity["train"].erase("from");  // a name; what stands for it is its parent's hash
  // A task that makes the training rows decides the weights too.
  if (config.data.train_on != "text") identity["rows"] = config.evaluate;
  identity["seed"] = seed;
  identity["from"] = from;
  identity["threads"] = threads;
  identity["harness_version"] = kHarnessNumericsVersion;
  identity["numerics_version"] =
      catalog.architecture(config.model.at("architecture"), "").numerics_version;
  return short_hash(identity.dump());
}

std::string trial_id_of(const std::string& train_id, const TrialConfig& config,
                        const PlanContent& content, const Catalog& catalog) {
  json identity = {train_id};
  for (const json& task : config.evaluate) {
    identity.push_back(task);
    identity.push_back(catalog.task(task.at("task"), "").numerics_version);
    identity.push_back(evaluation_identity(task, config.data, content));
  }
  return short_hash(identity.dump());
}

namespace {

json apply(json base, const Changes& changes, const std::string& where) {
  for (const auto& [key, value] : changes) {
    try {
      set_by_dotted_key(base, key, value);
    } catch (const UserError& error) {
      throw UserError(where, error.what());
    }
  }
  return base;
}

class Planner {
 public:
  Planner(const Study& study, const Catalog& catalog, const std::map<std::string, double>& rates)
      : study_(study), catalog_(catalog), rates_(rates) {}

  Plan make() {
    plan_.study = study_.name;
    plan_.question = study_.question;
    plan_.compare_to = study_.compare_to;
    plan_.seeds = study_.seeds;
    plan_.threads = study_.threads > 0 ? study_.threads : int64_t{at::get_num_threads()};
    plan_.match = study_.match;
    plan_.claims = resolve_claims(study_.claims, where("/claims"));
    for (const auto& [a, b] : study_.comparisons) plan_.comparisons.push_back({a, b});
    plan_.scaling = study_.scaling;
    if (study_.has_measure) plan_.measure = write_fields(study_.measure);
    for (const Variant& variant : study_.variants) plan_.variants.push_back(variant.name);
    for (const Variant& variant : study_.variants) add_variant(variant);
    for (const Probe& probe : study_.probes) add_probe(probe);
    check_equal_cost(plan_, study_.file, catalog_);
    return std::move(plan_);
  }

 private:
  std::string where(const std::string& part) const { return study_.file + ": " + part; }

  /// The base with lists of changes made to it, and where each came from.
  struct Changed {
    json given;
    std::string at;                 ///< the part of the study that makes the changes
    std::vector<std::string> keys;  ///< dotted keys that were changed
  };

  Changed changed(const std::string& at) const { return {study_.base, where(at), {}}; }

  static void change(Changed& changed, const Changes& changes, const std::string& at) {
    changed.given = apply(changed.given, changes, at);
    for (const auto& [key, value] : changes) changed.keys.push_back(key);
  }

  /// A learning rate is chosen on validation documents, so results stand on others: tasks that do
  /// not name a split get this one.
  void evaluate_on(const std::string& split, json& given) const {
    json& tasks = given["evaluate"];
    if (!tasks.is_array()) return;  // resolving says what is wrong with it
    for (json& task : tasks) {
      if (!task.is_object() || (split == "test" && task.contains("split"))) continue;
      for (const TaskEntry& entry : catalog_.tasks)
        for (const FieldHelp& field : entry.describe())
          if (task.value("task", json()) == entry.name && field.name == "split")
            task["split"] = split;
    }
    json different = json::array();  // two splits of one question have become one
    for (const json& task : tasks)
      if (split != "validation" ||
          std::find(different.begin(), different.end(), task) == different.end())
        different.push_back(task);
    tasks = different;
  }

  /// Resolves; a mistake is reported where it stands, in the base or in the changes.
  TrialConfig resolve(const Changed& changed) const {
    try {
      return resolve_trial(changed.given, changed.at, catalog_, plan_.variants);
    } catch (const UserError& error) {
      const std::string what = error.what();
      if (!what.starts_with(changed.at)) throw;
      const std::string rest = what.substr(changed.at.size());
      throw UserError(is_of_base(rest) ? where("/base") + rest : what);
    }
  }

  /// Whether the base alone has the same mistake.
  bool is_of_base(const std::string& mistake) const {
    try {
      resolve_trial(study_.base, "", catalog_, plan_.variants);
    } catch (const UserError& error) {
      return error.what() == mistake;
    }
    return false;
  }

  void add(const Changed& changed, const std::string& variant, const std::string& probe,
           int64_t seed) {
    const TrialConfig config = resolve(changed);
    add_content(config.data, plan_.content);
    PlannedTrial trial;
    const std::string from = start_of(config, seed, probe, trial, changed.at);
    trial.train_id = train_id_of(config, seed, from, plan_.threads, plan_.content, catalog_);
    trial.id = trial_id_of(trial.train_id, config, plan_.content, catalog_);
    trial.variant = variant;
    trial.probe = probe;
    trial.seed = seed;
    trial.config = write_fields(config);
    if (study_.has_measure && probe.empty())
      check_split(config.data, Split::validation, "measure", changed.at);
    plan_.trials.push_back(trial);
  }

  /// Tokens of a row that the weights of `trial` were trained on, as far as the plan knows.
  int64_t trained_context(const PlannedTrial& trial) const {
    const int64_t own = trial.config.at("data").at("context_len");
    const PlannedTrial* parent = plan_.find(trial.from);
    const bool trained = trial.config.at("train").at("tokens").get<int64_t>() > 0;
    return trained || !parent ? own : std::min(own, trained_context(*parent));
  }

  /// The identity of the weights that a trial starts from; sets its parent in the plan.
  std::string start_of(const TrialConfig& config, int64_t seed, const std::string& probe,
                       PlannedTrial& trial, const std::string& at) {
    const std::string& from = config.train.from;
    if (from.empty()) return "";
    if (probe == "tune")
      throw UserError(at + "/train.from", "is not possible in a study that tunes a learning rate");
    for (const PlannedTrial& parent : plan_.trials)
      if (parent.variant == from && parent.seed == seed && parent.probe.empty()) {
        trial.from = parent.id;
        check_trained_length(config, trained_context(parent), at);
        TrialConfig theirs;
        read_fields(parent.config, at, theirs);
        check_from_tokenizer(planned_identity(theirs.data, plan_.content),
                             planned_identity(config.data, plan_.content), config.train,
                             at + "/train");
        check_start(theirs.model, planned_vocab_size(theirs.data.tokenizer), config,
                    planned_vocab_size(config.data.tokenizer), at, catalog_);
        return parent.train_id;
      }
    const bool is_variant = std::find(plan_.variants.begin(), plan_.variants.end(), from) !=
                            plan_.variants.end();  // one that does not stand before this one
    if (is_variant || (!fs::is_directory(from) && !names_variant(from)))
      throw_unknown_name(at + "/train.from",
                         "variant before this one, folder or STUDY_DIR:VARIANT,", from,
                         plan_.variants);
    if (!find_hash(plan_.content.checkpoints, from)) {
      const fs::path folder = find_checkpoint(from);
      plan_.content.checkpoints.push_back({from, weights_hash(folder)});
      const Checkpoint parent = load_checkpoint(folder, catalog_);
      parents_[from] = {identity_of(parent), parent.info};
    }
    const auto& [tokenizer, info] = parents_[from];
    check_from_tokenizer(tokenizer, planned_identity(config.data, plan_.content), config.train,
                         at + "/train");
    // One that is trained may have fewer ids than it was asked for.
    const std::string& own = config.data.tokenizer;
    check_start(info.model, info.vocab_size, config,
                own.starts_with("sentencepiece:") ? info.vocab_size : planned_vocab_size(own), at,
                catalog_);
    return *find_hash(plan_.content.checkpoints, from);
  }

  void add_variant(const Variant& variant) {
    Changed given = changed("/variants/" + variant.name);
    change(given, variant.changes, given.at);
    if (!study_.tune.key.empty()) {
      for (const json& value : study_.tune.values) {
        Changed tuning = given;
        change(tuning, study_.tune.set, where("/tune/set"));
        change(tuning, {{study_.tune.key, value}}, where("/tune"));
        evaluate_on("validation", tuning.given);
        add(tuning, variant.name, "tune", study_.seeds.front());
      }
      const auto rate = rates_.find(variant.name);
      if (rate == rates_.end()) return;
      change(given, {{study_.tune.key, rate->second}}, given.at);
      evaluate_on("test", given.given);
    }
    for (const int64_t seed : study_.seeds) add(given, variant.name, "", seed);
  }

  void add_probe(const Probe& probe) {
    for (const Variant& chosen : probe.variants) {
      Changed given = changed("/probes/" + probe.name + "/variants/" + chosen.name);
      for (const Variant& variant : study_.variants)
        if (variant.name == chosen.name) {
          for (const Changes* changes : {&variant.changes, &probe.set, &chosen.changes})
            change(given, *changes, given.at);
          for (const int64_t seed : study_.seeds) add(given, variant.name, probe.name, seed);
        }
    }
  }

  const Study& study_;
  const Catalog& catalog_;
  const std::map<std::string, double>& rates_;
  /// Checkpoints outside the study.
  std::map<std::string, std::pair<TokenizerIdentity, CheckpointInfo>> parents_;
  Plan plan_;
};

}  // namespace

Plan resolve_study(const Study& study, const Catalog& catalog,
                   const std::map<std::string, double>& rates) {
  return Planner(study, catalog, rates).make();
}

Plan whole_plan(const Study& study, const Catalog& catalog) {
  std::map<std::string, double> rates;
  for (const Variant& variant : study.variants)
    if (!study.tune.key.empty()) rates[variant.name] = study.tune.values.front().get<double>();
  return resolve_study(study, catalog, rates);
}

}  // namespace sublab

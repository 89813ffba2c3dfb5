// Every configuration of a study, once: variants, grids of tuning, probes.
#include "experiments/plan/resolve_study.h"

#include <algorithm>
#include <set>

#include "core/safetensors.h"
#include "core/schema/checkpoint_path.h"
#include "core/schema/tuning.h"
#include "data/tokenizer.h"
#include "experiments/checkpoint/checkpoint_tokenizer.h"
#include "experiments/plan/claim_files.h"
#include "experiments/plan/resolve.h"
#include "experiments/plan/resolve_checks.h"
#include "experiments/plan/solve_match.h"
#include "experiments/text/content.h"

namespace sublab {
namespace {

/// The base with lists of changes made to it, and which part of the study makes them.
class ChangedBase {
 public:
  ChangedBase(const Study& study, const std::string& part)
      : given(study.base), at(study.file + ": " + part) {}

  /// `where` names who asks for the changes.
  void change(const Changes& changes, const std::string& where) {
    for (const auto& [key, value] : changes) {
      try {
        set_by_dotted_key(given, key, value);
      } catch (const UserError& error) {
        throw UserError(where, error.what());
      }
    }
  }

  /// A learning rate is chosen on validation documents, so results stand on others: tasks that do
  /// not name a split get this one.
  void evaluate_on(const std::string& split, const Catalog& catalog) {
    json& tasks = given["evaluate"];
    if (!tasks.is_array()) return;  // resolving says what is wrong with it
    for (json& task : tasks) {
      if (!task.is_object() || (split == "test" && task.contains("split"))) continue;
      for (const TaskEntry& entry : catalog.tasks)
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

  json given;
  std::string at;
};

/// What a trial may start from: a variant before it, or weights outside the study.
class Starts {
 public:
  Starts(ResolvedStudy& resolved, std::vector<std::string> variants, const Catalog& catalog)
      : resolved_(resolved), variants_(std::move(variants)), catalog_(catalog) {}

  /// Finds and checks what `trial` starts from.
  void resolve(ResolvedTrial& trial) {
    const std::string& from = trial.config.train.from;
    if (from.empty()) return;
    if (trial.probe == kTuneProbe)
      throw UserError(trial.at + "/train.from",
                      "is not possible in a study that tunes a learning rate");
    add_content(trial.config.data, content_);
    for (size_t i = 0; i < resolved_.trials.size() && !trial.from; ++i)
      if (resolved_.trials[i].variant == from && resolved_.trials[i].probe.empty()) trial.from = i;
    trial.from ? check_variant(trial) : check_checkpoint(trial);
  }

 private:
  /// Tokens of a row that the weights of `trial` were trained on, as far as the study knows.
  int64_t trained_context(const ResolvedTrial& trial) const {
    const int64_t own = trial.config.data.context_len;
    if (trial.config.train.tokens > 0 || !trial.from) return own;
    return std::min(own, trained_context(resolved_.trials[*trial.from]));
  }

  void check_variant(const ResolvedTrial& trial) {
    const ResolvedTrial& parent = resolved_.trials[*trial.from];
    const TrialConfig &own = trial.config, &theirs = parent.config;
    add_content(theirs.data, content_);
    check_trained_length(own, trained_context(parent), trial.at);
    check_from_tokenizer(planned_identity(theirs.data, content_),
                         planned_identity(own.data, content_), own.train, trial.at + "/train");
    check_start(theirs.model, planned_vocab_size(theirs.data.tokenizer), own,
                planned_vocab_size(own.data.tokenizer), trial.at, catalog_);
  }

  void check_checkpoint(const ResolvedTrial& trial) {
    const std::string& from = trial.config.train.from;
    const bool is_variant = std::find(variants_.begin(), variants_.end(), from) !=
                            variants_.end();  // one that does not stand before this one
    if (is_variant || (!fs::is_directory(from) && !names_variant(from)))
      throw_unknown_name(trial.at + "/train.from",
                         "variant before this one, folder or STUDY_DIR:VARIANT,", from, variants_);
    if (!resolved_.checkpoints.count(from)) {
      const fs::path folder = find_checkpoint(from);
      resolved_.checkpoints[from] = weights_hash(folder);
      const CheckpointHeader header = read_checkpoint_header(folder, catalog_);
      headers_[from] = {identity_of(header), header.info};
    }
    const auto& [tokenizer, info] = headers_[from];
    check_from_tokenizer(tokenizer, planned_identity(trial.config.data, content_),
                         trial.config.train, trial.at + "/train");
    // One that is trained may have fewer ids than it was asked for.
    const std::string& own = trial.config.data.tokenizer;
    check_start(info.model, info.vocab_size, trial.config,
                own.starts_with("sentencepiece:") ? info.vocab_size : planned_vocab_size(own),
                trial.at, catalog_);
  }

  ResolvedStudy& resolved_;
  std::vector<std::string> variants_;
  const Catalog& catalog_;
  PlanContent content_;
  std::map<std::string, std::pair<TokenizerIdentity, CheckpointInfo>> headers_;
};

class StudyResolver {
 public:
  StudyResolver(const Study& study, const Catalog& catalog)
      : catalog_(catalog),
        starts_(resolved_, names_of(study), catalog),
        variants_(names_of(study)),
        changed_(study.variants) {
    resolved_.study = study;
  }

  ResolvedStudy make() {
    resolved_.claims = resolve_claims(study().claims, study().file + ": /claims");
    resolved_.solved = solve_match(
        study(), changed_,
        [&](const Variant& variant) {
          ChangedBase given(study(), "/variants/" + variant.name);
          given.change(variant.changes, given.at);
          return resolve(given);
        },
        catalog_);
    for (const Variant& variant : changed_) add_variant(variant);
    for (const Probe& probe : study().probes) add_probe(probe);
    check_equal_cost(resolved_, catalog_);
    return std::move(resolved_);
  }

 private:
  static std::vector<std::string> names_of(const Study& study) {
    std::vector<std::string> names;
    for (const Variant& variant : study.variants) names.push_back(variant.name);
    return names;
  }
  const Study& study() const { return resolved_.study; }
  std::string where(const std::string& part) const { return study().file + ": " + part; }

  /// Resolves; a mistake is reported where it stands, in the base or in the changes.
  TrialConfig resolve(const ChangedBase& changed) const {
    try {
      return resolve_trial(changed.given, changed.at, catalog_, variants_);
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
      resolve_trial(study().base, "", catalog_, variants_);
    } catch (const UserError& error) {
      return error.what() == mistake;
    }
    return false;
  }

  void add(const ChangedBase& changed, const std::string& variant, const std::string& probe,
           bool tuned = false, int64_t widens = 0) {
    ResolvedTrial trial{.variant = variant,
                        .probe = probe,
                        .at = changed.at,
                        .config = resolve(changed),
                        .tuned = tuned,
                        .widens = widens,
                        .from = {}};
    starts_.resolve(trial);
    if (study().has_measure && probe.empty())
      check_split(trial.config.data, Split::validation, "measure", changed.at);
    resolved_.trials.push_back(std::move(trial));
  }

  void add_variant(const Variant& variant) {
    ChangedBase given(study(), "/variants/" + variant.name);
    given.change(variant.changes, given.at);
    const Tune& tune = study().tune;
    std::vector<double> grid;
    for (const json& value : tune.values) {
      add_tuning(variant.name, given, value, 0);
      grid.push_back(value.get<double>());
    }
    if (!grid.empty())
      for (const WidenedRate& each : widened_rates(grid, tune.widen))
        add_tuning(variant.name, given, each.rate, each.step);
    const bool tuned = !tune.key.empty();
    if (tuned) {
      given.change({{tune.key, tune.values.front()}}, given.at);
      given.evaluate_on("test", catalog_);
    }
    add(given, variant.name, "", tuned);
  }

  void add_tuning(const std::string& variant, ChangedBase given, const json& value,
                  int64_t widens) {
    const Tune& tune = study().tune;
    given.change(tune.set, where("/tune/set"));
    given.change({{tune.key, value}}, where("/tune"));
    given.evaluate_on("validation", catalog_);
    add(given, variant, kTuneProbe, /*tuned=*/false, widens);
    check_measures_loss(resolved_.trials.back().config);
  }

  /// Prompts and rows that a model was taught are scored by answers.
  void check_measures_loss(const TrialConfig& config) const {
    for (const json& task : config.evaluate) {
      const TaskEntry& entry = catalog_.task(task.at("task"), where("/base/evaluate"));
      if (!entry.has_prompts() && entry.name != config.data.train_task()) return;
    }
    throw UserError(where("/tune"), "no entry of evaluate measures a loss to choose by");
  }

  void add_probe(const Probe& probe) {
    for (const Variant& chosen : probe.variants) {
      ChangedBase given(study(), "/probes/" + probe.name + "/variants/" + chosen.name);
      for (const Variant& variant : changed_)
        if (variant.name == chosen.name) {
          for (const Changes* changes : {&variant.changes, &probe.set, &chosen.changes})
            given.change(*changes, given.at);
          add(given, variant.name, probe.name);
        }
    }
  }

  ResolvedStudy resolved_;
  const Catalog& catalog_;
  Starts starts_;
  std::vector<std::string> variants_;
  std::vector<Variant> changed_;  ///< the study's, with what was picked for equal costs
};

}  // namespace

ResolvedStudy resolve_study(const Study& study, const Catalog& catalog) {
  return StudyResolver(study, catalog).make();
}

std::vector<std::string> corpora_of(const ResolvedStudy& resolved) {
  std::set<std::string> names;
  for (const ResolvedTrial& trial : resolved.trials)
    if (trial.config.data.on_text())
      names.insert(trial.config.data.corpus.begin(), trial.config.data.corpus.end());
  return {names.begin(), names.end()};
}

}  // namespace sublab

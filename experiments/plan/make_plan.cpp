// Ids and trials of a plan (experiments/plan/make_plan.h).
#include "experiments/plan/make_plan.h"

#include <ATen/Parallel.h>

#include "core/hash.h"
#include "experiments/kinds.h"
#include "experiments/machine/device.h"
#include "experiments/text/content.h"

namespace sublab {
namespace {

/// Everything of a plan but its trials.
Plan frame_of(const ResolvedStudy& resolved, int64_t threads) {
  const Study& study = resolved.study;
  Plan plan;
  plan.study = study.name;
  plan.question = study.question;
  plan.compare_to = study.compare_to;
  plan.seeds = study.seeds;
  plan.threads = threads;
  plan.match = study.match;
  plan.solved = resolved.solved;
  plan.claims = resolved.claims;
  for (const auto& [a, b] : study.comparisons) plan.comparisons.push_back({a, b});
  plan.equivalence = study.equivalence;
  plan.scaling = study.scaling;
  if (study.has_measure) plan.measure = write_fields(study.measure);
  for (const Variant& variant : study.variants) plan.variants.push_back(variant.name);
  for (const auto& [name, hash] : resolved.checkpoints)
    plan.content.checkpoints.push_back({name, hash});
  return plan;
}

/// All that decides the trained weights but seed and parent: model, data by content, training,
/// threads, and the numerics versions of the code concerned. What is evaluated is no part of it.
json training_identity_of(const TrialConfig& config, int64_t threads, const PlanContent& content,
                          const Catalog& catalog) {
  json identity = write_fields(config);
  identity.erase("evaluate");
  identity["data"] = training_identity(config.data, content);
  identity["train"].erase("from");  // a name; what stands for it is its parent's hash
  identity["train"]["device"] = device_kind(config.train.device);  // not which of several
  if (!config.data.on_text())
    identity["rows_version"] = catalog.row_maker(config.data.train_task(), "").numerics_version;
  identity["threads"] = threads;
  identity["harness_version"] = kHarnessNumericsVersion;
  if (config.train.dtype == "bfloat16") identity["bfloat16_version"] = kBfloat16NumericsVersion;
  identity["numerics_versions"] = numerics_versions(config, catalog);
  return identity;
}

/// The hash of it with the seed and the identity of the weights that training starts from ("" = new
/// ones).
std::string train_id_of(json identity, int64_t seed, const std::string& from) {
  identity["seed"] = seed;
  identity["from"] = from;
  return short_hash(identity.dump());
}

/// The evaluations of a trial with the text that they read: what its id adds to its train_id.
json evaluation_identities(const TrialConfig& config, const PlanContent& content,
                           const Catalog& catalog) {
  json out = json::array();
  for (const json& task : config.evaluate) {
    out.push_back(without_folder(task));
    out.push_back(catalog.task(task.at("task"), "").numerics_version);
    out.push_back(evaluation_identity(task, config.data, content));
    if (const int64_t version = compression_version(task, catalog)) out.push_back(version);
  }
  return out;
}

/// Of a train_id and its evaluations.
std::string trial_id(const std::string& train_id, const json& evaluations) {
  json identity = {train_id};
  identity.insert(identity.end(), evaluations.begin(), evaluations.end());
  return short_hash(identity.dump());
}

class PlanMaker {
 public:
  PlanMaker(const ResolvedStudy& resolved, int64_t threads, const TunedRates& rates,
            const Catalog& catalog)
      : resolved_(resolved), rates_(rates), catalog_(catalog), plan_(frame_of(resolved, threads)) {}

  Plan make() {
    first_trial_.assign(resolved_.trials.size(), kNone);
    for (size_t i = 0; i < resolved_.trials.size(); ++i) add(i);
    return std::move(plan_);
  }

 private:
  static constexpr size_t kNone = static_cast<size_t>(-1);

  void add(size_t place) {
    const ResolvedTrial& resolved = resolved_.trials[place];
    TrialConfig config = resolved.config;
    if (resolved.tuned) {
      const auto rate = rates_.find(resolved.variant);
      if (rate == rates_.end()) return;
      config.train.learning_rate = rate->second;
    }
    add_content(config.data, plan_.content);
    const json identity = training_identity_of(config, plan_.threads, plan_.content, catalog_);
    const json evaluations = evaluation_identities(config, plan_.content, catalog_);
    const json written = write_fields(config);
    first_trial_[place] = plan_.trials.size();
    const auto seeds = resolved_.seeds_of(resolved);
    for (size_t s = 0; s < seeds.size(); ++s) {
      PlannedTrial& trial = plan_.trials.emplace_back();
      const auto [from, weights] = start_of(resolved, s);
      trial.from = from;
      trial.train_id = train_id_of(identity, seeds[s], weights);
      trial.id = trial_id(trial.train_id, evaluations);
      trial.variant = resolved.variant;
      trial.probe = resolved.probe;
      trial.seed = seeds[s];
      trial.widens = resolved.widens;
      trial.config = written;
    }
  }

  /// The trial of the same seed that this one starts from, and the identity of the weights.
  std::pair<std::string, std::string> start_of(const ResolvedTrial& resolved, size_t seed) const {
    const std::string& name = resolved.config.train.from;
    if (name.empty()) return {};
    if (!resolved.from) return {"", resolved_.checkpoints.at(name)};
    const PlannedTrial& parent = plan_.trials.at(first_trial_.at(*resolved.from) + seed);
    return {parent.id, parent.train_id};
  }

  const ResolvedStudy& resolved_;
  const TunedRates& rates_;
  const Catalog& catalog_;
  Plan plan_;
  std::vector<size_t> first_trial_;  ///< per configuration its first trial in the plan
};

}  // namespace

int64_t threads_of(const Study& study) {
  return study.threads > 0 ? study.threads : int64_t{at::get_num_threads()};
}

TunedRates first_rates(const Study& study) {
  TunedRates rates;
  if (study.tune.key.empty()) return rates;
  for (const Variant& variant : study.variants)
    rates[variant.name] = study.tune.values.front().get<double>();
  return rates;
}

Plan make_plan(const ResolvedStudy& resolved, int64_t threads, const TunedRates& rates,
               const Catalog& catalog) {
  return PlanMaker(resolved, threads, rates, catalog).make();
}

}  // namespace sublab

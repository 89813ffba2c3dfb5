// From what a user wrote to what is run: every default written out, every name checked against the
// catalog, every mistake refused with its JSON path.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/schema/plan.h"
#include "core/schema/study.h"
#include "experiments/catalog.h"

namespace sublab {

/// The configuration of one trial. `given` holds "model", "data", "train", "evaluate"; `where`
/// stands before the JSON path in messages. `train.from` is one of `variants`, or a checkpoint.
TrialConfig resolve_trial(const json& given, const std::string& where, const Catalog& catalog,
                          const std::vector<std::string>& variants = {});

/// Hash of all that decides the trained weights: model, data by content, training, seed, threads,
/// parent, and the numerics versions of the code concerned.
std::string train_id_of(const TrialConfig& config, int64_t seed, const std::string& from,
                        int64_t threads, const PlanContent& content, const Catalog& catalog);
/// The trial's id: its train_id and its evaluations with the text that they read.
std::string trial_id_of(const std::string& train_id, const TrialConfig& config,
                        const PlanContent& content, const Catalog& catalog);

/// The plan of a study. `learning_rates` holds the tuned rate per variant (see Study::tune); a
/// variant that is tuned but has no rate yet has its main trials left out. Throws UserError.
Plan resolve_study(const Study& study, const Catalog& catalog,
                   const std::map<std::string, double>& learning_rates);

/// The plan with all trials that it will have: rates that are still to be tuned are the first ones
/// tried, which changes no cost.
Plan whole_plan(const Study& study, const Catalog& catalog);

}  // namespace sublab

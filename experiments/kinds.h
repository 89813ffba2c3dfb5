// The catalog by kind, without what its entries make: for whoever lists, counts or names entries.
#pragma once

#include <string>
#include <vector>

#include "core/schema/trial_config.h"
#include "experiments/catalog.h"

namespace sublab {

struct Member {
  const EntryFacts* facts;  ///< of the catalog
  std::string property;     ///< what it is beside its settings: "causal; needs head"
};

struct Kind {
  std::string name;               ///< "scorer"
  std::vector<std::string> keys;  ///< where a trial chooses one: "/model/scorer"
  std::vector<Member> members;
};

/// Every kind of `catalog`, which must live as long as what is returned.
std::vector<Kind> kinds_of(const Catalog& catalog);

/// {"scorer learned": 1, ...}: the numerics version of every entry that `config` chooses, tasks
/// excepted.
json numerics_versions(const TrialConfig& config, const Catalog& catalog);

/// Numerics version of what shortens the prompts of `task`, a resolved entry of `evaluate`; 0 where
/// nothing does.
int64_t compression_version(const json& task, const Catalog& catalog);

}  // namespace sublab

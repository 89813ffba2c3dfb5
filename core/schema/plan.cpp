// Checks of a plan that was read, so that its readers need none.
#include "core/schema/plan.h"

#include <algorithm>
#include <set>

#include "core/json_text.h"
#include "core/schema/measure_config.h"
#include "core/schema/record.h"
#include "core/schema/shape.h"

namespace sublab {
namespace {

class PlanChecker {
 public:
  PlanChecker(const Plan& plan, std::string where) : plan_(plan), where_(std::move(where)) {}

  void check() const {
    if (plan_.variants.empty()) throw UserError(where_ + "/variants", "is empty");
    if (std::set<std::string>(plan_.variants.begin(), plan_.variants.end()).size() !=
        plan_.variants.size())
      throw UserError(where_ + "/variants", "names a variant twice");
    if (plan_.seeds.empty()) throw UserError(where_ + "/seeds", "is empty");
    check_variant(plan_.compare_to, where_ + "/compare_to");
    for (size_t i = 0; i < plan_.comparisons.size(); ++i) {
      const std::string at = where_ + "/comparisons/" + std::to_string(i);
      if (plan_.comparisons[i].size() != 2)
        throw UserError(at, "expected two names of variants, got " +
                                std::to_string(plan_.comparisons[i].size()));
      check_variants(plan_.comparisons[i], at);
    }
    check_scaling();
    check_match();
    MeasureConfig measure;
    read_fields(plan_.measure, where_ + "/measure", measure);
    if (!plan_.claims.is_array())
      fields_detail::throw_type(where_ + "/claims", "a list", plan_.claims);
    for (size_t i = 0; i < plan_.trials.size(); ++i)
      check_trial(plan_.trials[i], where_ + "/trials/" + std::to_string(i));
  }

 private:
  void check_variant(const std::string& name, const std::string& at) const {
    if (std::find(plan_.variants.begin(), plan_.variants.end(), name) == plan_.variants.end())
      throw_unknown_name(at, "variant", name, plan_.variants);
  }
  void check_variants(const std::vector<std::string>& names, const std::string& at) const {
    for (size_t i = 0; i < names.size(); ++i) check_variant(names[i], at + "/" + std::to_string(i));
  }

  void check_scaling() const {
    const std::string at = where_ + "/scaling";
    if (!plan_.scaling.is_object()) fields_detail::throw_type(at, "an object", plan_.scaling);
    for (const auto& [curve, given] : plan_.scaling.items()) {
      std::vector<std::string> names;
      fields_detail::read_value(given, at + "/" + curve, names, {});
      check_variants(names, at + "/" + curve);
    }
  }

  void check_match() const {
    read_match(plan_.match, plan_.variants, where_ + "/match");
    for (size_t i = 0; i < plan_.solved.size(); ++i)
      for (const std::string* name : {&plan_.solved[i].variant, &plan_.solved[i].reference})
        check_variant(*name, where_ + "/solved/" + std::to_string(i));
  }

  void check_trial(const PlannedTrial& trial, const std::string& at) const {
    if (trial.id.empty() || trial.id.find('/') != std::string::npos)
      throw UserError(at + "/id", "'" + trial.id + "' is no id");
    check_variant(trial.variant, at + "/variant");
    check_config(trial.config, at + "/config");
  }

  const Plan& plan_;
  std::string where_;
};

}  // namespace

std::string PlannedTrial::label() const {
  return variant + (probe.empty() ? "" : " (" + probe + ")") + ", seed " + std::to_string(seed);
}

const PlannedTrial* Plan::find(const std::string& id) const {
  if (id.empty()) return nullptr;
  const auto fits = [&](size_t place) { return place < trials.size() && trials[place].id == id; };
  const auto known = places_.find(id);
  // Trials may have been added, or given other ids, since the index was made.
  if (n_indexed_ != trials.size() || (known != places_.end() && !fits(known->second))) {
    places_.clear();
    for (size_t i = 0; i < trials.size(); ++i) places_.emplace(trials[i].id, i);
    n_indexed_ = trials.size();
  }
  const auto place = places_.find(id);
  return place == places_.end() ? nullptr : &trials[place->second];
}

void write_plan(const fs::path& study_folder, const Plan& plan) {
  json written = write_fields(plan);
  written["digest"] = digest_of(written);
  constexpr int kLevels = 2;  // a line per trial
  write_file_durably(study_folder / "plan.json", json_text(written, kLevels));
}

Plan read_plan(const fs::path& study_folder) {
  const fs::path path = study_folder / "plan.json";
  if (!fs::exists(path))
    throw UserError(study_folder.string(), "holds no study (there is no plan.json in it)");
  const std::string where = path.string() + ": ";
  Plan plan;
  read_fields(parse_json(read_file(path), path.string()), where, plan);
  PlanChecker(plan, where).check();
  return plan;
}

}  // namespace sublab

// A study after it was resolved: results/<study>/plan.json. `run`, `status`, `report`, `verify` and
// `compare` read this, never the study's source.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "core/fields.h"
#include "core/files.h"
#include "core/schema/equal_cost.h"
#include "core/schema/equivalence.h"
#include "core/schema/plan_content.h"

namespace sublab {

/// The probe of the trials that choose a learning rate.
inline constexpr const char* kTuneProbe = "tune";

/// One trial to do: one variant x one seed (x one probe).
struct PlannedTrial {
  std::string id;        ///< record and checkpoint folder name
  std::string train_id;  ///< hash of everything that decides the trained weights
  std::string variant;
  std::string probe;  ///< "" or the probe's name
  int64_t seed = 0;
  int64_t widens = 0;  ///< steps beyond the grid of a tuning trial that is done only when asked for
  std::string from;    ///< id of the trial whose checkpoint this one starts from, or ""
  json config = json::object();  ///< resolved: {"model", "data", "train", "evaluate": [...]}

  template <class F>
  void fields(F& f) {
    f("id", id, "trial id");
    f("train_id", train_id, "hash of what is trained");
    f("variant", variant, "variant name");
    f("probe", probe, "probe name, or empty");
    f("seed", seed, "trial seed");
    f("widens", widens, "steps beyond the tuning grid");
    f("from", from, "trial that this one starts from");
    f("config", config, "resolved configuration");
  }

  /// "subllm (recall), seed 3", for messages.
  std::string label() const;
};

struct Plan {
  int64_t schema = 1;
  std::string study;
  std::string question;
  std::string compare_to;             ///< variant that the others are compared with
  std::vector<std::string> variants;  ///< in the study's order, sweeps expanded
  std::vector<int64_t> seeds;
  /// Of each trial; part of its identity. 0 in plans from before it was kept: their ids were made
  /// with the count that their records state.
  int64_t threads = 0;
  /// Pairs whose difference the report states, with p-values corrected over them; empty = every
  /// variant with compare_to.
  std::vector<std::vector<std::string>> comparisons;
  EquivalenceMargins equivalence;  ///< none in older plans
  json scaling = json::object();   ///< curve -> variants, smallest first; one holds compare_to
  json match = json::array();  ///< what is held equal: [{"by": "train_tokens", "tolerance": 0.01}]
  std::vector<SolvedValue> solved;  ///< what the program picked so that costs are equal
  json measure = json::object();    ///< modes, contexts, batches, rounds of the speed measurement
  json claims = json::array();
  PlanContent content;     ///< what corpora, tokenizers and checkpoints named in the trials hold
  std::string study_hash;  ///< SHA-256 of the study.json beside it; "" in older plans
  std::vector<PlannedTrial> trials;
  std::string digest;  ///< as a record's; set by write_plan, "" in older plans

  template <class F>
  void fields(F& f) {
    f("schema", schema, "version of this layout", within(1, 1));
    f("study", study, "study name");
    f("question", question, "what the study asks");
    f("compare_to", compare_to, "reference variant");
    f("variants", variants, "variant names in order");
    f("seeds", seeds, "trial seeds");
    f("threads", threads, "of each trial; 0 = not known", within(0, 1 << 20));
    f("comparisons", comparisons, "pairs that are compared");
    equivalence.fields(f);
    f("scaling", scaling, "ladders of sizes");
    f("match", match, "what is held equal");
    f("solved", solved, "what was picked so that costs are equal");
    f("measure", measure, "speed measurement");
    f("claims", claims, "a paper's values");
    f("content", content, "what the names in the trials stand for");
    f("study_hash", study_hash, "SHA-256 of study.json");
    f("trials", trials, "every trial");
    f("digest", digest, "SHA-256 of the rest");
  }

  /// The first trial of this id, or null. By an index that the first call makes; not for several
  /// threads at once.
  const PlannedTrial* find(const std::string& id) const;

 private:
  mutable std::unordered_map<std::string, size_t> places_;  ///< of ids among the trials
  mutable size_t n_indexed_ = 0;                            ///< trials that there were
};

/// Where a trial's weights are, relative to its study's folder.
inline std::string checkpoint_folder(const std::string& train_id) {
  return "checkpoints/" + train_id;
}

/// Writes durably with a digest.
void write_plan(const fs::path& study_folder, const Plan& plan);
/// Throws UserError when `study_folder` holds no plan.json, or a damaged one: every name and type
/// in it is checked, so that what reads the plan need not.
Plan read_plan(const fs::path& study_folder);

}  // namespace sublab

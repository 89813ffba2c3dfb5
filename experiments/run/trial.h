// One trial in this process: train (or take the checkpoint that is there), evaluate, audit.
#pragma once

#include <functional>

#include "core/schema/arrays.h"
#include "core/schema/record.h"
#include "core/schema/trial_order.h"
#include "experiments/catalog.h"
#include "experiments/checkpoint/checkpoint.h"

namespace sublab {

/// What a trial reports while it runs; the parent process draws the progress line from it.
struct TrialProgress {
  std::string stage;  ///< "data", "train", "evaluate" or "audit"
  double done = 0;    ///< share of the stage, in [0, 1]
  double loss = 0;    ///< training loss in nats; 0 when there is none
  double tokens_per_s = 0;

  template <class F>
  void fields(F& f) {
    f("stage", stage, "what is being done");
    f("done", done, "share of it");
    f("loss", loss, "training loss");
    f("tokens_per_s", tokens_per_s, "rate");
  }
};
using ReportProgress = std::function<void(const TrialProgress&)>;

struct TrialFolders {
  fs::path checkpoint;     ///< written, or taken from there when it is finished already
  fs::path arrays;         ///< file, written where the keep policy leaves any
  fs::path from;           ///< checkpoint whose weights training starts from; empty = new weights
  KeepQuestion keep = {};  ///< which trial this is, for the policy
};

/// Trains the model of `config`, evaluates it and fills the record's metrics. Expected failures
/// (divergence, time limit) are outcomes; a user's mistake throws UserError.
Record run_trial(const TrialConfig& config, int64_t seed, const TrialFolders& folders,
                 const Catalog& catalog, const ReportProgress& report);

/// The same for a planned trial of a study: folders and names follow from the order. The record is
/// returned, not written.
Record run_planned_trial(const TrialOrder& order, const fs::path& study_folder,
                         const Catalog& catalog, const ReportProgress& report);

/// One line: what an error that is_out_of_memory says, and by the ledger what a step needs and
/// which pass would fit.
std::string out_of_memory_detail(const std::exception& error, const TrialConfig& config,
                                 const Catalog& catalog);

}  // namespace sublab

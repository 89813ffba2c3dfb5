// What training measured goes with the weights: another evaluation of them trains nothing again.
#pragma once

#include "core/npz.h"
#include "core/schema/record.h"

namespace sublab {

/// Whether a training has left its weights and all that it measured in this folder.
bool is_trained(const fs::path& checkpoint);

/// Puts the record's metrics from the `first` one on, its times and the training's arrays beside
/// the weights. One file is written last, so that a folder without it is made anew.
void keep_training(const fs::path& checkpoint, const NpyMembers& arrays, const Record& record,
                   size_t first);

/// Throws UserError where what keep_training put there is damaged, or, where the training will be
/// `used`, is not what it put there: what stands beside the weights is held against the hashes of
/// training.json. Older ones have no hashes of some files.
void check_training(const fs::path& checkpoint, bool used);

/// Adds to `record` and to its arrays what keep_training put there.
void recall_training(const fs::path& checkpoint, NpyMembers& arrays, Record& record);

}  // namespace sublab

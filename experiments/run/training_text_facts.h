// What a record says of the rows that a trial was trained on, where sampling or positions chose
// them.
#pragma once

#include "core/npz.h"
#include "core/schema/record.h"
#include "core/schema/trial_config.h"
#include "data/packing.h"

namespace sublab {

/// Adds, of the first `n_rows` rows: the share of each source and of long documents before and
/// after sampling, unless `data` samples plainly; and how often which relative distance was seen,
/// unless its positions are contiguous.
void add_training_text(const PackedDocuments& rows, int64_t n_rows, const DataConfig& data,
                       NpyMembers& arrays, Record& record);

}  // namespace sublab

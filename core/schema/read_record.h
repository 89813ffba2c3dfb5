// A record as tables read it, and whether its arrays are there.
#pragma once

#include "core/schema/record.h"

namespace sublab {

/// The record without the single checks of its audit and the single lines of its ledger, which are
/// most of what it takes to read one. Throws as read_record.
Record read_record_numbers(const fs::path& path);

/// What is wrong with the file of arrays that a record names, or "". Without its path.
std::string damage_of_arrays(const fs::path& study_folder, const Record& record);

}  // namespace sublab

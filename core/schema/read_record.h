// A record as tables read it.
#pragma once

#include "core/schema/record.h"

namespace sublab {

/// The record without the single checks of its audit and the single lines of its ledger, which are
/// most of what it takes to read one. Throws as read_record.
Record read_record_numbers(const fs::path& path);

}  // namespace sublab

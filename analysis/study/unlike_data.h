// Records that name the same text and were made of another one: their losses are not comparable.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/schema/plan.h"
#include "core/schema/record.h"

namespace sublab {

/// What a record says of the content of its corpora and of its tokenizer, when that is a file.
PlanContent content_of(const Record& record);

struct UnlikeData {
  std::vector<std::string> sentences;          ///< one per name that stands for several things
  std::map<std::string, std::string> refused;  ///< id of each record concerned -> its sentence
};

/// Holds the content that records state against each other and against the plan's. What a record
/// or an older plan does not state is held against nothing.
UnlikeData unlike_data(const Plan& plan, const std::vector<const Record*>& records);

/// Takes the losses out of a record: their values are absent, with `reason` as their note.
void refuse_losses(Record& record, const std::string& reason);

}  // namespace sublab

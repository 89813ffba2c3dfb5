// Whether records answer what their trials were to be asked.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/schema/record.h"

namespace sublab {

/// Holds the evaluations of records against their plan, and their texts against each other.
class EvaluationCheck {
 public:
  /// What does not fit, without the record's name.
  std::vector<std::string> problems(const Record& record, const json& planned_config);

 private:
  std::map<std::string, std::string> reads_;  ///< split, corpora and tokenizer -> hash of the text
};

}  // namespace sublab

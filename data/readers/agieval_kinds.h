// What kinds of tasks AGIEval has.
#pragma once

#include <string>

namespace sublab::agieval {

bool is_chinese(const std::string& task);
/// An answer is computed, and there are no options.
bool is_computed(const std::string& task);
/// Several options may be right together.
bool has_several_answers(const std::string& task);

}  // namespace sublab::agieval

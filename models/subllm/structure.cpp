// Parses a structure string and says what is wrong with one.
#include "models/subllm/structure.h"

#include "core/error.h"

namespace sublab::subllm {

Structure parse_structure(const std::string& text, const std::string& where) {
  const auto refuse = [&](size_t at, const std::string& what) {
    throw UserError(where, "'" + text + "' " + what + " at character " + std::to_string(at + 1) +
                               "; allowed: T for a block, balanced ( and )");
  };
  if (text.empty()) throw UserError(where, "is empty; expected a string such as TT(T(TT)T)TT");
  constexpr size_t kLongest = 10000;
  if (text.size() > kLongest)
    throw UserError(where, "has " + std::to_string(text.size()) + " characters; allowed: at most " +
                               std::to_string(kLongest));
  Structure structure;
  std::vector<int64_t> open;
  int64_t n_closed = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto level = static_cast<int64_t>(open.size());
    if (text[i] == 'T') {
      structure.steps.push_back({Step::Kind::block, structure.n_blocks++, level});
    } else if (text[i] == '(') {
      const auto module = static_cast<int64_t>(structure.module_levels.size());
      structure.steps.push_back({Step::Kind::open, module, level});
      structure.module_levels.push_back(level + 1);
      structure.parents.push_back(open.empty() ? -1 : open.back());
      structure.closing_order.push_back(-1);
      open.push_back(module);
    } else if (text[i] == ')') {
      if (open.empty()) refuse(i, "closes what was never opened");
      if (text[i - 1] == '(') refuse(i, "closes a pair with nothing in it");
      structure.steps.push_back({Step::Kind::close, open.back(), level - 1});
      structure.closing_order[open.back()] = n_closed++;
      open.pop_back();
    } else {
      refuse(i, std::string("has '") + text[i] + "'");
    }
  }
  if (!open.empty()) refuse(text.size() - 1, "leaves " + std::to_string(open.size()) + " '(' open");
  return structure;
}

void Structure::check_block_before_each_module(const std::string& where,
                                               const std::string& scorer) const {
  for (size_t i = 0; i < steps.size(); ++i)
    if (steps[i].kind == Step::Kind::open && (i == 0 || steps[i - 1].kind != Step::Kind::block))
      throw UserError(where, "has a '(' without a T right before it, whose attention scorer '" +
                                 scorer + "' reads");
}

}  // namespace sublab::subllm

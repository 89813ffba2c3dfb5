// A structure string: `T` is a block, `(` leaves tokens out, `)` brings them back.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sublab::subllm {

/// One character of the string. Blocks and modules are numbered in order of appearance.
struct Step {
  enum class Kind { block, open, close };
  Kind kind;
  int64_t index;  ///< block number; module number of the pair for open and close
  int64_t level;  ///< level of a block; parent level of a pair
};

struct Structure {
  std::vector<Step> steps;
  int64_t n_blocks = 0;
  std::vector<int64_t>
      module_levels;             ///< level that each module leads into, 1 for an outermost one
  std::vector<int64_t> parents;  ///< module that each module is nested in, or -1
  std::vector<int64_t>
      closing_order;  ///< closing_order[m] = how many pairs close before pair m does

  /// Throws UserError at `where` when a '(' has no block before it at its level, which `scorer`
  /// looks at.
  void check_block_before_each_module(const std::string& where, const std::string& scorer) const;
};

/// Throws UserError at `where` for other characters, unbalanced or empty parentheses and an empty
/// string.
Structure parse_structure(const std::string& text, const std::string& where);

}  // namespace sublab::subllm

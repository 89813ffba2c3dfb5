// Layers and rates of a ladder, as settings name them: "2@1 4@3 2@1" is two blocks over all tokens,
// four over groups of three, two over all tokens again.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sublab {

struct Stack {
  int64_t layers, rate;
};

/// Throws UserError at `where` for anything but layers@rate, separated by single spaces, with
/// layers >= 0, rates from 1 to 4096, and at least one layer in all.
std::vector<Stack> parse_stacks(const std::string& text, const std::string& where);

int64_t n_layers(const std::vector<Stack>& stacks);

/// What n_layers is if `text` has `stacks`; throws UserError at path/n_layers where a given one
/// disagrees.
int64_t agreed_layers(const std::vector<Stack>& stacks, const std::string& text, bool given,
                      int64_t n_layers, const std::string& path);

}  // namespace sublab

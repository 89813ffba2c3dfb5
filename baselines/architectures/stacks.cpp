// Parses a ladder and says what is wrong with one.
#include "baselines/architectures/stacks.h"

#include <sstream>

#include "core/error.h"

namespace sublab {
namespace stacks_text {

constexpr int64_t kMostLayers = 10000, kCoarsest = 4096;

/// A whole number of digits alone, at most `most`; -1 for anything else.
int64_t number(const std::string& text, int64_t most) {
  if (text.empty() || text.size() > 9 || text.find_first_not_of("0123456789") != std::string::npos)
    return -1;
  const int64_t value = std::stoll(text);
  return value <= most ? value : -1;
}

}  // namespace stacks_text

std::vector<Stack> parse_stacks(const std::string& text, const std::string& where) {
  using namespace stacks_text;
  std::vector<Stack> out;
  std::string part;
  for (std::istringstream parts(text); std::getline(parts, part, ' ');) {
    const size_t at = part.find('@');
    const Stack stack{number(part.substr(0, at), kMostLayers),
                      at == std::string::npos ? -1 : number(part.substr(at + 1), kCoarsest)};
    if (stack.layers < 0 || stack.rate < 1)
      throw UserError(where, "'" + text + "' has '" + part + "'; allowed: layers@rate, such as " +
                                 "2@1 4@3 2@1, with rates from 1 to " + std::to_string(kCoarsest));
    out.push_back(stack);
  }
  if (n_layers(out) < 1 || n_layers(out) > kMostLayers)
    throw UserError(where, "'" + text + "' has " + std::to_string(n_layers(out)) +
                               " layers; allowed: 1 to " + std::to_string(kMostLayers));
  return out;
}

int64_t n_layers(const std::vector<Stack>& stacks) {
  int64_t sum = 0;
  for (const Stack& stack : stacks) sum += stack.layers;
  return sum;
}

int64_t agreed_layers(const std::vector<Stack>& stacks, const std::string& text, bool given,
                      int64_t n_layers, const std::string& path) {
  const int64_t there = sublab::n_layers(stacks);
  if (given && n_layers != there)
    throw UserError(path + "/n_layers", std::to_string(n_layers) + " disagrees with '" + text +
                                            "', which has " + std::to_string(there) + " layers");
  return there;
}

}  // namespace sublab

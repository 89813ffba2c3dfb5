// Sums over a ledger's lines.
#include "models/ledger.h"

#include <algorithm>
#include <map>

namespace sublab {

double Ledger::flops_causal() const {
  double sum = 0;
  for (const auto& line : lines_) sum += line.flops_causal;
  return sum;
}

double Ledger::flops_square() const {
  double sum = 0;
  for (const auto& line : lines_) sum += line.flops_square;
  return sum;
}

double Ledger::bytes() const {
  double sum = 0;
  for (const auto& line : lines_) sum += line.bytes;
  return sum;
}

double Ledger::cache_bytes() const {
  double sum = 0;
  for (const auto& line : lines_) sum += line.cache_bytes;
  return sum;
}

double Ledger::training_flops_causal(bool recompute) const {
  double again = 0;
  for (const auto& line : lines_) again += recompute && line.layer >= 0 ? line.flops_causal : 0;
  return 3 * flops_causal() + again;
}

double Ledger::training_flops_square(bool recompute) const {
  double again = 0;
  for (const auto& line : lines_) again += recompute && line.layer >= 0 ? line.flops_square : 0;
  return 3 * flops_square() + again;
}

double Ledger::activation_bytes(bool recompute) const {
  double kept = 0;
  std::map<int64_t, double> of_block;
  for (const auto& line : lines_) {
    const bool again = recompute && line.layer >= 0;
    kept += again ? line.input_bytes : line.activation_bytes;
    if (again) of_block[line.layer] += line.activation_bytes;
  }
  double largest = 0;
  for (const auto& [layer, bytes] : of_block) largest = std::max(largest, bytes);
  return kept + largest;
}

json Ledger::to_json() const {
  json lines = json::array();
  for (const auto& line : lines_)
    lines.push_back({{"part", line.part},
                     {"layer", line.layer},
                     {"level", line.level},
                     {"tokens", line.tokens},
                     {"flops_causal", line.flops_causal},
                     {"flops_square", line.flops_square},
                     {"bytes", line.bytes},
                     {"activation_bytes", line.activation_bytes}});
  return {{"lines", lines},
          {"flops_causal", flops_causal()},
          {"flops_square", flops_square()},
          {"bytes", bytes()},
          {"activation_bytes", activation_bytes(false)}};
}

CostShape CostShape::whole_rows(int64_t n_rows, int64_t row_tokens) {
  CostShape shape;
  shape.new_tokens.assign(n_rows, row_tokens);
  shape.past_tokens.assign(n_rows, 0);
  return shape;
}

CostShape CostShape::decode(int64_t n_rows, int64_t past) {
  CostShape shape;
  shape.new_tokens.assign(n_rows, 1);
  shape.past_tokens.assign(n_rows, past);
  return shape;
}

LedgerLine linear_cost(std::string part, int64_t layer, int64_t level, double tokens, double in,
                       double out, double bytes_per_number) {
  const double flops = 2 * tokens * in * out;
  return {std::move(part),
          layer,
          level,
          tokens,
          flops,
          flops,
          tokens > 0 ? in * out * bytes_per_number : 0,
          0};
}

}  // namespace sublab

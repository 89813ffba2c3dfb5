#include "models/ledger.h"

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

double Ledger::activation_bytes() const {
  double sum = 0;
  for (const auto& line : lines_) sum += line.activation_bytes;
  return sum;
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
          {"activation_bytes", activation_bytes()}};
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

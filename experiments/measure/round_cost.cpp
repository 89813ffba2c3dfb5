// The ledger of a round (experiments/measure/round_cost.h).
#include "experiments/measure/round_cost.h"

#include "experiments/machine/calibrate.h"

namespace sublab {

void add_round_cost(const LanguageModel& model, const RoundOrder& order, const RoundKeeps& keeps,
                    bool recompute, RoundResult& result) {
  const bool decoding = order.mode == "decode", training = order.mode == "train";
  result.kept_fraction = keeps.counter.fractions();
  result.reached_fraction = keeps.counter.reached();
  CostShape shape = decoding
                        ? CostShape::decode(order.batch, order.context + order.decode_tokens / 2)
                        : CostShape::whole_rows(order.batch, order.context);
  if (result.dtype == "bfloat16") shape.bytes_per_number = 2;
  shape.kept_fraction = result.kept_fraction;
  shape.reached_fraction = result.reached_fraction;
  if (decoding) shape.past_kept_fraction = keeps.past.fractions();
  const double flops_per_s = order.flops_per_s_in(result.dtype);
  Ledger ledger;
  model.add_cost(shape, ledger);
  const double tokens = static_cast<double>(decoding ? order.batch : order.batch * order.context);
  for (const LedgerLine& line : ledger.lines()) {
    const bool again = training && recompute && line.layer >= 0;
    const double passes = (training ? 3 : 1) + again;
    // Prefill gives the head the last token of each row only.
    const bool last_only = order.mode == "prefill" && line.part == "head";
    const double flops =
        passes * line.flops_causal / static_cast<double>(last_only ? order.context : 1);
    const double bytes = passes * line.bytes;
    result.flops_per_token += flops / tokens;
    result.bytes_per_token += bytes / tokens;
    result.cost += (decoding ? bytes : flops) / tokens;
    if (flops_per_s > 0)
      result.roofline_s += roofline_seconds(flops, bytes, flops_per_s, order.bytes_per_s) / tokens;
  }
}

}  // namespace sublab

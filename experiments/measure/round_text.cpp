// Draws rows of validation text by round, set and row (experiments/measure/round_text.h).
#include "experiments/measure/round_text.h"

#include <algorithm>

namespace sublab {

RoundText::RoundText(const DataConfig& config, const DataParts& parts) : text_(config, parts) {
  if (text_.split(Split::validation).n_tokens() == 0)
    throw UserError("measure", "the validation split holds no text");
}

RoundInputs RoundText::inputs(const RoundOrder& order, int64_t n, at::Device device) const {
  std::vector<at::Tensor> sets;
  for (int64_t set = 0; set < std::min(order.repeats, kInputSets); ++set)
    sets.push_back(rows(order, set, n).to(device));
  return RoundInputs(std::move(sets));
}

at::Tensor RoundText::rows(const RoundOrder& order, int64_t set, int64_t n) const {
  const TokenShard& shard = text_.split(Split::validation);
  const auto room = static_cast<uint64_t>(std::max<int64_t>(1, shard.n_tokens() - n));
  at::Tensor out = at::empty({order.batch, n}, at::kLong);
  for (int64_t b = 0; b < order.batch; ++b) {
    int64_t* row = out.mutable_data_ptr<int64_t>() + b * n;
    const auto draw = static_cast<uint64_t>(order.round * kInputSets + set);
    const auto first =
        static_cast<int64_t>(stream_key(7, "bench", draw, static_cast<uint64_t>(b)) % room);
    row[0] = text_.tokenizer().boundary_id();
    for (int64_t i = 1; i < n; ++i) row[i] = shard.token((first + i - 1) % shard.n_tokens());
  }
  return out;
}

}  // namespace sublab

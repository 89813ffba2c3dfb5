// For rules that decide token by token.
#pragma once

#include "models/selection/selector.h"
#include "models/transfer.h"

namespace sublab {

/// The tokens of `rows` for which keep(row, place in the row) holds, asked in their order. Weights
/// are left undefined; the index lies on `device`.
template <class Keep>
Selection kept_where(const Rows& rows, at::Device device, const Keep& keep) {
  Selection out;
  out.lengths.assign(rows.n_rows(), 0);
  std::vector<int64_t> index;
  for (int64_t b = 0; b < rows.n_rows(); ++b)
    for (int64_t i = 0; i < rows.length(b); ++i)
      if (keep(b, i)) {
        index.push_back(rows.begin(b) + i);
        ++out.lengths[b];
      }
  out.index_on_host = at::tensor(index, at::kLong);
  out.index = sent_to(device, out.index_on_host);
  return out;
}

/// The tokens whose score, thresholds subtracted, is above 0. The host reads who is kept once.
inline Selection kept_above_zero(const SelectorInput& input) {
  const at::Tensor kept = input.scores.detach().gt(0).to(at::kCPU).contiguous();
  const auto* keep = kept.const_data_ptr<bool>();
  return kept_where(input.rows, input.scores.device(),
                    [&](int64_t b, int64_t i) { return keep[input.rows.begin(b) + i]; });
}

}  // namespace sublab

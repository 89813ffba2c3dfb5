// By Rows::ascending_order (models/ascending_rows.h).
#include "models/ascending_rows.h"

#include "core/error.h"
#include "models/transfer.h"

namespace sublab {

AscendingRows::AscendingRows(const RowsPtr& given) : rows(given) {
  if (given->ascending()) return;
  order = given->ascending_order();
  rows = given->permuted(order);
}

AscendingRows AscendingRows::whole(const RowsPtr& given, const std::string& who) {
  AscendingRows out(given);
  if (given->consecutive()) return out;
  std::vector<int64_t> starts;
  for (int64_t b = 0; b < out.rows->n_rows(); ++b) {
    starts.push_back(out.rows->start(b));
    for (int64_t i = 0; i < out.rows->length(b); ++i)
      if (out.rows->ordinal(b, i) != starts[b] + i)
        throw Unsupported(who + " need whole rows: token " + std::to_string(starts[b] + i) +
                          " of row " + std::to_string(b) + " is not here");
  }
  out.rows = Rows::with_positions(out.rows->lengths(), starts, out.rows->positions());
  return out;
}

at::Tensor AscendingRows::ordered(const at::Tensor& x) const {
  if (!order.defined() || !x.defined()) return x;
  return x.index_select(0, sent_to(x.device(), order));
}

at::Tensor AscendingRows::as_given(const at::Tensor& x) const {
  if (!order.defined()) return x;
  return x.index_select(0, sent_to(x.device(), inverse_permutation(order)));
}

}  // namespace sublab

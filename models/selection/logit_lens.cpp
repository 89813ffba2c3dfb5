// Predictions by the row before, remembered across steps.
#include "models/selection/logit_lens.h"

#include <cmath>

#include "models/transfer.h"

namespace sublab {
namespace logit_lens {

at::Tensor indices(const std::vector<int64_t>& values, const at::Tensor& like) {
  return sent_to(like.device(), values);
}

struct LastRows : RowMemory {
  explicit LastRows(int64_t n_rows) : n_rows(n_rows) {}
  int64_t n_bytes() const override { return x.defined() ? static_cast<int64_t>(x.nbytes()) : 0; }
  std::unique_ptr<RowMemory> fork(const std::vector<int64_t>& rows) const override {
    auto out = std::make_unique<LastRows>(static_cast<int64_t>(rows.size()));
    if (x.defined()) out->x = x.index_select(0, indices(rows, x));
    return out;
  }
  int64_t n_rows;
  at::Tensor x;  // [B, D], made by the first step
};

/// Where the rows that have tokens begin and end, and which of them have none before.
struct Places {
  explicit Places(const Rows& rows) {
    for (int64_t b = 0; b < rows.n_rows(); ++b) {
      if (rows.length(b) == 0) continue;
      row.push_back(b);
      last.push_back(rows.begin(b) + rows.length(b) - 1);
      if (rows.start(b) > 0) {
        continued.push_back(b);
        continued_at.push_back(rows.begin(b));
      } else {
        first.push_back(rows.begin(b));
      }
    }
  }
  std::vector<int64_t> row, last, continued, continued_at, first;
};

/// [N, D]: the row before each token; a first token's is its own, which nobody reads.
at::Tensor rows_before(const at::Tensor& x, const Places& places, const LastRows& memory) {
  at::Tensor out = at::empty_like(x);
  out.slice(0, 1).copy_(x.slice(0, 0, x.size(0) - 1));
  const at::Tensor first = indices(places.first, x);
  out.index_copy_(0, first, x.index_select(0, first));
  if (!places.continued.empty())
    out.index_copy_(0, indices(places.continued_at, x),
                    memory.x.index_select(0, indices(places.continued, x)));
  return out;
}

}  // namespace logit_lens

std::unique_ptr<RowMemory> LogitLensScorer::new_memory(int64_t n_rows) const {
  return std::make_unique<logit_lens::LastRows>(n_rows);
}

at::Tensor LogitLensScorer::scores(const ScorerInput& input) const {
  at::NoGradGuard no_grad;
  const at::Tensor x = input.x.detach();
  if (x.size(0) == 0) return at::empty({0}, x.options());
  auto& memory = static_cast<logit_lens::LastRows&>(*input.memory);
  const logit_lens::Places places(input.rows);
  const at::Tensor hidden = input.readout->final_norm(logit_lens::rows_before(x, places, memory));
  at::Tensor out = of_predictions(hidden, input.readout->head_weight(), input.tokens);
  out.index_fill_(0, logit_lens::indices(places.first, x),
                  std::log(static_cast<double>(vocab_size_)));
  if (!memory.x.defined()) memory.x = at::empty({memory.n_rows, x.size(1)}, x.options());
  memory.x.index_copy_(0, logit_lens::indices(places.row, x),
                       x.index_select(0, logit_lens::indices(places.last, x)));
  return out;
}

void LogitLensScorer::add_cost(const ScorerShape& shape, Ledger& ledger) const {
  LedgerLine line =
      linear_cost("scorer", -1, shape.level, shape.n_tokens(), static_cast<double>(d_model_),
                  static_cast<double>(vocab_size_), shape.bytes_per_number);
  line.bytes *= shape.reached;
  ledger.add(line);
}

}  // namespace sublab

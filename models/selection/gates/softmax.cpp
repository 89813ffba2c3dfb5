// Softmax over the kept tokens of the row so far: with S_i the kept tokens up to token i,
//
//   w_i = exp(s_i) / sum_{j in S_i} exp(s_j).
//
// The first kept token of a row weighs 1, the n-th about 1 / n. A softmax over all that a row
// keeps, as in variants of Mixture-of-Depths, would look at later tokens, and could not be
// evaluated causally; the last kept token has the same weight in both. Adding a number to all
// scores changes nothing. A decode state holds the logarithm of the sum, one number per row.
#include "models/selection/gate.h"

namespace sublab {
namespace softmax_gate_detail {

struct LogSums : RowMemory {
  explicit LogSums(size_t n_rows) : of_row(n_rows) {}
  int64_t n_bytes() const override {
    int64_t sum = 0;
    for (const at::Tensor& each : of_row)
      if (each.defined()) sum += each.element_size();
    return sum;
  }
  std::unique_ptr<RowMemory> fork(const std::vector<int64_t>& rows) const override {
    auto out = std::make_unique<LogSums>(0);
    for (const int64_t row : rows) out->of_row.push_back(of_row[row]);  // replaced, never changed
    return out;
  }
  std::vector<at::Tensor> of_row;  // scalars; undefined before the first kept token
};

class Softmax : public Gate {
 public:
  at::Tensor weights(const at::Tensor& scores) const override { return scores; }

  at::Tensor among_kept(const at::Tensor& scores, const std::vector<int64_t>& lengths,
                        RowMemory* memory) const override {
    auto& sums = static_cast<LogSums&>(*memory);
    std::vector<at::Tensor> out;
    int64_t begin = 0;
    for (size_t b = 0; b < lengths.size(); begin += lengths[b++]) {
      if (lengths[b] == 0) continue;
      const at::Tensor row = scores.narrow(0, begin, lengths[b]);
      at::Tensor sum = at::logcumsumexp(row, 0);
      if (sums.of_row[b].defined()) sum = at::logaddexp(sum, sums.of_row[b]);
      sums.of_row[b] = sum.detach().select(0, lengths[b] - 1).clone();
      out.push_back((row - sum).exp());
    }
    return out.empty() ? scores : at::cat(out);
  }
  std::unique_ptr<RowMemory> new_memory(int64_t n_rows) const override {
    return std::make_unique<LogSums>(n_rows);
  }
};

}  // namespace softmax_gate_detail

GateEntry softmax_gate() {
  GateEntry entry = gate_entry<softmax_gate_detail::Softmax>(
      "softmax", "softmax over the kept tokens of the row so far; trains the scorer",
      "variant of arXiv:2404.02258");
  entry.compares = true;
  return entry;
}

}  // namespace sublab

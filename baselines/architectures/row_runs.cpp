// Grouping runs by their shape, and one permutation there and back.
#include "baselines/architectures/row_runs.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "models/transfer.h"

namespace sublab {
namespace row_runs_detail {

/// x[order], whose gradient is one more selection instead of a scattered sum.
class Permuted : public torch::autograd::Function<Permuted> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& order, const at::Tensor& inverse) {
    context->save_for_backward({inverse});
    return x.index_select(0, order);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const at::Tensor inverse = context->get_saved_variables()[0];
    return {grads[0].index_select(0, inverse), at::Tensor(), at::Tensor()};
  }
};

}  // namespace row_runs_detail

RowRuns::RowRuns(const std::vector<Run>& runs, at::Device device) {
  std::map<std::pair<int64_t, int64_t>, std::vector<Run>, std::greater<>> by_shape;
  for (const Run& run : runs) by_shape[{run.past, run.length}].push_back(run);
  std::vector<int64_t> order;
  for (const auto& [shape, same] : by_shape) {
    RunGroup group{.past = shape.first, .length = shape.second, .rows = {}, .is_last = {}};
    for (const Run& run : same) {
      group.rows.push_back(run.row);
      group.is_last.push_back(run.is_last);
      for (int64_t i = 0; i < run.length; ++i) order.push_back(run.begin + i);
    }
    sizes_.push_back(group.n_runs() * group.length);
    groups_.push_back(std::move(group));
  }
  if (std::is_sorted(order.begin(), order.end())) return;
  std::vector<int64_t> inverse(order.size());
  for (size_t i = 0; i < order.size(); ++i) inverse[order[i]] = static_cast<int64_t>(i);
  order_ = sent_to(device, order);
  inverse_ = sent_to(device, inverse);
}

RowRuns RowRuns::of_rows(const Rows& rows, at::Device device) {
  std::vector<Run> runs;
  for (int64_t b = 0; b < rows.n_rows(); ++b)
    if (rows.length(b) > 0) runs.push_back({b, rows.begin(b), 0, rows.length(b), true});
  return {runs, device};
}

RowRuns RowRuns::of_chunks(const Rows& rows, int64_t chunk_len, at::Device device) {
  std::vector<Run> runs;
  for (int64_t b = 0; b < rows.n_rows(); ++b)
    for (int64_t i = 0; i < rows.length(b);) {
      const int64_t past = (rows.start(b) + i) % chunk_len;
      const int64_t length = std::min(chunk_len - past, rows.length(b) - i);
      runs.push_back({b, rows.begin(b) + i, past, length, i + length == rows.length(b)});
      i += length;
    }
  return {runs, device};
}

std::vector<at::Tensor> RowRuns::split(const at::Tensor& x) const {
  const at::Tensor ordered =
      order_.defined() ? row_runs_detail::Permuted::apply(x, order_, inverse_) : x;
  std::vector<at::Tensor> out =
      groups_.size() == 1 ? std::vector{ordered} : ordered.split_with_sizes(sizes_, 0);
  for (size_t i = 0; i < groups_.size(); ++i) {
    std::vector<int64_t> sizes = x.sizes().vec();
    sizes[0] = groups_[i].length;
    sizes.insert(sizes.begin(), groups_[i].n_runs());
    out[i] = out[i].reshape(sizes);
  }
  return out;
}

at::Tensor RowRuns::joined(const std::vector<at::Tensor>& parts) const {
  std::vector<at::Tensor> flat;
  for (const at::Tensor& part : parts) flat.push_back(part.flatten(0, 1));
  const at::Tensor all = flat.size() == 1 ? flat.front() : at::cat(flat);
  return order_.defined() ? row_runs_detail::Permuted::apply(all, inverse_, order_) : all;
}

}  // namespace sublab

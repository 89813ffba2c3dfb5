// Executors that spread rows over the ranks of Run::group. Each rank holds some tokens of every
// row, as many as the others (Rows::arranged); whom they see follows from their ordinals.
#pragma once

#include <torch/csrc/autograd/custom_function.h>

#include "models/entries/attention.h"
#include "models/parts/partial_attention.h"
#include "tests/models/sketches/sketch.h"

namespace sublab {

/// all_to_all, whose backward pass is itself.
class AllToAll : public torch::autograd::Function<AllToAll> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& pieces,
                            int64_t group) {
    context->saved_data["group"] = group;
    return reinterpret_cast<const Group*>(group)->all_to_all(pieces);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto* group = reinterpret_cast<const Group*>(context->saved_data["group"].toInt());
    return {group->all_to_all(grads[0].contiguous()), at::Tensor()};
  }
};

/// One turn of a ring; gradients turn the other way.
class Turn : public torch::autograd::Function<Turn> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& own,
                            int64_t group) {
    context->saved_data["group"] = group;
    return turned(own, group, 1);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    return {turned(grads[0].contiguous(), context->saved_data["group"].toInt(), -1), at::Tensor()};
  }
  static at::Tensor turned(const at::Tensor& own, int64_t group, int64_t by) {
    const auto& ranks = *reinterpret_cast<const Group*>(group);
    const int64_t n = ranks.size(), rank = ranks.rank();
    return ranks.exchange(own, (rank + by + n) % n, (rank - by + n) % n);
  }
};

/// Without a group of several ranks both are local attention. Decoding is each rank's own.
class OverRanks : public AttentionExecutor {
 public:
  at::Tensor whole_rows(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                        const Rows& rows, const Run& run) const override {
    if (!run.group || run.group->size() == 1)
      return local_attention()->whole_rows(q, k, v, rows, run);
    return spread(q, k, v, rows, run);
  }
  at::Tensor step(const at::Tensor& q, const std::vector<VisibleTokens>& visible, const Rows& rows,
                  const Run& run) const override {
    return local_attention()->step(q, visible, rows, run);
  }

 protected:
  virtual at::Tensor spread(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const Rows& rows, const Run& run) const = 0;
};

/// As DeepSpeed-Ulysses: some tokens of all heads become all tokens of some heads, and back.
class HeadsExecutor : public OverRanks {
 public:
  explicit HeadsExecutor(const ExecutionContext&) {}

 protected:
  at::Tensor spread(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const Rows& rows,
                    const Run& run) const override {
    const Group& group = *run.group;
    const int64_t ranks = group.size(), n = rows.n_tokens();
    const auto handle = reinterpret_cast<int64_t>(&group);
    const auto to_heads = [&](const at::Tensor& x) {
      const at::Tensor pieces =
          x.reshape({n, ranks, x.size(1) / ranks, x.size(2)}).transpose(0, 1).contiguous();
      return AllToAll::apply(pieces, handle).flatten(0, 1);
    };
    // They lie rank by rank; rows want theirs together.
    std::vector<at::Tensor> places;
    std::vector<int64_t> lengths;
    for (int64_t b = 0; b < rows.n_rows(); ++b) {
      for (int64_t r = 0; r < ranks; ++r)
        places.push_back(at::arange(rows.begin(b), rows.begin(b) + rows.length(b), at::kLong) +
                         r * n);
      lengths.push_back(rows.length(b) * ranks);
    }
    const at::Tensor place = at::cat(places);
    const RowsPtr whole =
        Rows::with_ordinals(lengths, group.all_gather(rows.ordinals()).index_select(0, place));
    const auto of = [&](const at::Tensor& x) { return to_heads(x).index_select(0, place); };
    const at::Tensor out = local_attention()
                               ->whole_rows(of(q), of(k), of(v), *whole, run)
                               .index_select(0, inverse_permutation(place));
    const at::Tensor back = AllToAll::apply(out.reshape({ranks, n, -1, q.size(2)}), handle);
    return back.transpose(0, 1).reshape(q.sizes());
  }
};

/// As ring attention: keys and values go round, partial results are merged. A rank whose queries
/// see nothing of a part would leave its neighbours waiting for a gradient in the backward pass, so
/// it gives one of zero.
class TurningExecutor : public OverRanks {
 public:
  explicit TurningExecutor(const ExecutionContext&) {}

 protected:
  at::Tensor spread(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const Rows& rows,
                    const Run& run) const override {
    const auto handle = reinterpret_cast<int64_t>(run.group);
    at::Tensor both = at::stack({k, v}), ordinals = rows.ordinals();
    std::vector<std::vector<AttentionPartial>> parts(rows.n_rows());
    at::Tensor nothing = at::zeros({}, q.options());
    for (int64_t turn = 0; turn < run.group->size(); ++turn) {
      if (turn > 0) {
        both = Turn::apply(both, handle);
        ordinals = Turn::turned(ordinals, handle, 1);
      }
      for (int64_t b = 0; b < rows.n_rows(); ++b)
        parts[b].push_back(attend_block(row_of(q, rows, b), row_of(both[0], rows, b),
                                        row_of(both[1], rows, b), row_of(rows.ordinals(), rows, b),
                                        row_of(ordinals, rows, b)));
      nothing = nothing + 0 * both.sum();
    }
    std::vector<at::Tensor> out;
    for (const auto& of_row : parts) out.push_back(merge(of_row).out.to(q.scalar_type()));
    return at::cat(out) + nothing;
  }
};

}  // namespace sublab

// Who stays, token by token: one pass over memory on the CPU, operators elsewhere.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "baselines/kv_policies/heavy_hitters.h"

namespace sublab::heavy_hitters {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// One head of keys: its columns that are kept, ascending.
template <class T>
class Head {
 public:
  Head(const T* logits, int64_t n_query_heads, int64_t n, int64_t m, const Budget& budget)
      : logits_(logits), n_query_heads_(n_query_heads), n_(n), columns_(m + n), budget_(budget) {
    for (int64_t j = 0; j < m; ++j) kept_.push_back(j);
    weights_.resize(columns_);
  }

  /// Token i joins, looks, and the least looked at goes.
  void take(int64_t i, int64_t m, T* score, bool* visible) {
    kept_.push_back(m + i);
    for (const int64_t j : kept_) visible[j] = true;
    for (int64_t r = 0; r < n_query_heads_; ++r) {
      const T* row = logits_ + (r * n_ + i) * columns_;
      T top = row[kept_.front()], sum = 0;
      for (const int64_t j : kept_) top = std::max(top, row[j]);
      for (size_t c = 0; c < kept_.size(); ++c) sum += weights_[c] = std::exp(row[kept_[c]] - top);
      for (size_t c = 0; c < kept_.size(); ++c) score[kept_[c]] += weights_[c] / sum;
    }
    const auto held = static_cast<int64_t>(kept_.size());
    if (held <= budget_.most()) return;
    auto least = kept_.begin();
    for (auto each = kept_.begin(); each < kept_.end() - budget_.recent; ++each)
      if (score[*each] <= score[*least]) least = each;
    kept_.erase(least);
  }

  const std::vector<int64_t>& kept() const { return kept_; }

 private:
  const T* logits_;
  int64_t n_query_heads_, n_, columns_;
  const Budget& budget_;
  std::vector<int64_t> kept_;
  std::vector<T> weights_;
};

template <class T>
Eviction in_memory(const at::Tensor& logits, const at::Tensor& score, const Budget& budget) {
  const int64_t heads = logits.size(0), query_heads = logits.size(1), n = logits.size(2),
                m = score.size(1), columns = m + n, held = std::min(columns, budget.most());
  Eviction out{at::zeros({heads, n, columns}, logits.options().dtype(at::kBool)),
               at::cat({score, at::zeros({heads, n}, score.options())}, 1),
               at::empty({heads, held}, logits.options().dtype(at::kLong))};
  const at::Tensor dense = logits.contiguous();
  const T* from = dense.const_data_ptr<T>();
  T* scores = out.score.mutable_data_ptr<T>();
  bool* visible = out.visible.mutable_data_ptr<bool>();
  auto* kept = out.kept.mutable_data_ptr<int64_t>();
  at::parallel_for(0, heads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t x = begin; x < end; ++x) {
      Head<T> head(from + x * query_heads * n * columns, query_heads, n, m, budget);
      for (int64_t i = 0; i < n; ++i)
        head.take(i, m, scores + x * columns, visible + (x * n + i) * columns);
      std::copy(head.kept().begin(), head.kept().end(), kept + x * held);
    }
  });
  return out;
}

/// The first `n` columns of each row where `chosen` [X, M] is true, ascending.
at::Tensor first_columns(const at::Tensor& chosen, int64_t n) {
  const at::Tensor order = chosen.to(at::kByte).argsort(/*stable=*/true, 1, /*descending=*/true);
  return order.slice(1, 0, n);
}

}  // namespace

Eviction evict_in_turn_naive(const at::Tensor& logits, const at::Tensor& score,
                             const Budget& budget) {
  at::NoGradGuard no_grad;
  const int64_t heads = logits.size(0), n = logits.size(2), m = score.size(1), columns = m + n;
  at::Tensor had = at::cat({score, at::zeros({heads, n}, score.options())}, 1);
  at::Tensor kept = at::zeros({heads, columns}, logits.options().dtype(at::kBool));
  kept.slice(1, 0, m).fill_(true);
  std::vector<at::Tensor> visible;
  for (int64_t i = 0; i < n; ++i) {
    kept.select(1, m + i).fill_(true);
    visible.push_back(kept.clone());
    const at::Tensor shares =
        logits.select(2, i).masked_fill(kept.logical_not().unsqueeze(1), -kInfinity).softmax(-1);
    had = had + shares.sum(1);
    if (std::min(m + i, budget.most()) + 1 <= budget.most()) continue;
    const int64_t old = m + i + 1 - budget.recent;  // columns before the recent ones
    const at::Tensor candidates =
        had.slice(1, 0, old).masked_fill(kept.slice(1, 0, old).logical_not(), kInfinity);
    const at::Tensor victim = old - 1 - candidates.flip(1).argmin(1, /*keepdim=*/true);
    kept.scatter_(1, victim, at::zeros_like(victim, kept.options()));
  }
  return {at::stack(visible, 1), had, first_columns(kept, std::min(columns, budget.most()))};
}

Eviction evict_in_turn(const at::Tensor& logits, const at::Tensor& score, const Budget& budget) {
  at::NoGradGuard no_grad;
  if (!logits.is_cpu()) return evict_in_turn_naive(logits, score, budget);
  return logits.scalar_type() == at::kDouble ? in_memory<double>(logits, score, budget)
                                             : in_memory<float>(logits, score, budget);
}

at::Tensor stay(const at::Tensor& score, const Budget& budget) {
  at::NoGradGuard no_grad;
  const int64_t m = score.size(1), old = m - budget.recent;
  if (m <= budget.most()) return at::arange(m, score.options().dtype(at::kLong)).expand_as(score);
  const at::Tensor heaviest = score.slice(1, 0, old)
                                  .argsort(/*stable=*/true, 1, /*descending=*/true)
                                  .slice(1, 0, budget.heavy);
  const at::Tensor recent =
      at::arange(old, m, heaviest.options()).unsqueeze(0).expand({score.size(0), budget.recent});
  return std::get<0>(at::cat({heaviest, recent}, 1).sort(1));
}

}  // namespace sublab::heavy_hitters

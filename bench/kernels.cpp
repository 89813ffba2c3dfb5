// Each fused kernel beside its naive truth, forward and forward + backward. Items are rows.
#include <benchmark/benchmark.h>

#include <functional>

#include "models/kernels/rms_norm.h"
#include "models/kernels/rotate.h"
#include "models/kernels/subsample.h"
#include "models/kernels/swiglu.h"

namespace sublab {
namespace {

constexpr int64_t kRows = 4096, kWidth = 512, kHeads = 8, kKept = 2621;

at::Tensor leaf(at::IntArrayRef shape) {
  return at::randn(shape, at::kFloat).set_requires_grad(true);
}

void run(benchmark::State& state, bool backward, const std::function<at::Tensor()>& kernel) {
  at::AutoGradMode mode(backward);
  at::Tensor grad;
  for (auto _ : state) {
    const at::Tensor out = kernel();
    if (backward) {
      if (!grad.defined()) grad = at::randn(out.sizes());
      out.backward(grad);
    }
    benchmark::DoNotOptimize(out.const_data_ptr());
  }
  state.SetItemsProcessed(state.iterations() * kRows);
}

void add(const std::string& name, const std::function<at::Tensor()>& kernel) {
  for (const bool backward : {false, true})
    benchmark::RegisterBenchmark((name + (backward ? "/train" : "/forward")).c_str(),
                                 [=](benchmark::State& state) { run(state, backward, kernel); })
        ->UseRealTime()
        ->Unit(benchmark::kMicrosecond);
}

const bool added = [] {
  const at::Tensor x = leaf({kRows, kWidth}), y = leaf({kRows, kWidth}), w = leaf({kWidth});
  add("rms_norm/fused", [=] { return rms_norm(x, w, 1e-6); });
  add("rms_norm/naive", [=] { return rms_norm_naive(x, w, 1e-6); });
  const auto both = [](const std::pair<at::Tensor, at::Tensor>& out) {
    return out.first + out.second;  // so that both have a gradient
  };
  add("add_rms_norm/fused", [=] { return both(add_rms_norm(x, y, w, 1e-6)); });
  add("add_rms_norm/apart", [=] {
    const at::Tensor sum = x + y;
    return both({sum, rms_norm(sum, w, 1e-6)});
  });
  add("swiglu/fused", [=] { return swiglu(x, y); });
  add("swiglu/naive", [=] { return swiglu_naive(x, y); });
  const at::Tensor heads = leaf({kRows, kHeads, kWidth / kHeads});
  const at::Tensor angle = at::randn({kRows, kWidth / kHeads / 2});
  const at::Tensor cos = angle.cos(), sin = angle.sin();
  add("rotate/fused", [=] { return rotate(heads, cos, sin); });
  add("rotate/naive", [=] { return rotate_naive(heads, cos, sin); });
  const at::Tensor index = std::get<0>(at::randperm(kRows).slice(0, 0, kKept).sort());
  const at::Tensor inner = leaf({kKept, kWidth}), weights = leaf({kKept}), c = leaf({kWidth});
  add("gather_rows/fused", [=] { return gather_rows(x, index); });
  add("gather_rows/naive", [=] { return x.index_select(0, index); });
  add("bypass_return/fused", [=] { return bypass_return(x, inner, index, weights, c); });
  add("bypass_return/naive", [=] { return bypass_return_naive(x, inner, index, weights, c); });
  return true;
}();

}  // namespace
}  // namespace sublab

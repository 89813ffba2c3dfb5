// Rows of 4,096 tokens of every task that makes them: what a step has to wait for where they are
// made on the way. Items are rows.
#include <benchmark/benchmark.h>

#include "experiments/catalog.h"

namespace sublab {
namespace {

constexpr int64_t kContext = 4096;

void make_rows(benchmark::State& state, const RowMaker& maker) {
  const json config = maker.resolve({{"task", maker.name}}, "/data/train_on", kContext);
  const std::unique_ptr<RowSource> rows = maker.rows(config, kContext, 1);
  int64_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(rows->row(i++).tokens.data());
  state.SetItemsProcessed(state.iterations());
}

const bool added = [] {
  static const Catalog catalog = built_in_catalog();
  for (const RowMaker& maker : catalog.row_makers)
    benchmark::RegisterBenchmark(("rows/" + maker.name).c_str(),
                                 [&maker](benchmark::State& state) { make_rows(state, maker); });
  return true;
}();

}  // namespace
}  // namespace sublab

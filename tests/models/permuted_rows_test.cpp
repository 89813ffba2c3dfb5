// Who sees whom follows from ordinals: rows in another order give the same, in that order.
#include <catch2/catch.hpp>

#include "models/parts/attention.h"
#include "models/parts/lm_head.h"
#include "tests/models/small_models.h"

using namespace sublab;

namespace {

/// A random order of each row's own tokens.
at::Tensor shuffled(const Rows& rows) {
  std::vector<at::Tensor> out{at::empty({0}, at::kLong)};
  for (int64_t b = 0; b < rows.n_rows(); ++b)
    out.push_back(at::randperm(rows.length(b), at::kLong) + rows.begin(b));
  return at::cat(out);
}

Batch permuted(const Batch& batch, const at::Tensor& order) {
  return {batch.tokens.index_select(0, order), batch.rows->permuted(order),
          batch.hints.index_select(0, order)};
}

const std::vector<std::vector<int64_t>> kLengths = {{13}, {9, 9}, {17, 1, 0, 6}};

/// Attention of every kind that looks at rows: policies, scorers with and without memory.
std::vector<json> permutable_configs() {
  std::vector<json> configs = {{{"architecture", "llama"}, {"n_layers", 2}, {"n_kv_heads", 2}}};
  for (const json& policy :
       std::vector<json>{{{"type", "streaming_llm"}, {"sinks", 2}, {"window", 5}},
                         {{"type", "h2o"}, {"heavy", 3}, {"recent", 4}},
                         {{"type", "h2o_prompt"}, {"heavy_ratio", 0.3}}})
    configs.push_back({{"architecture", "subllm"},
                       {"structure", "T(T(T)T)T"},
                       {"retention", 0.5},
                       {"attention_log_weight", true},
                       {"kv_policy", policy}});
  for (const char* scorer : {"learned", "surprisal", "random", "stride"})
    for (const char* positions : {"composed", "level_local"})
      for (const char* selector : {"threshold", "causal_quantile"})
        configs.push_back({{"architecture", "subllm"},
                           {"structure", "T(T(T)T)T"},
                           {"retention", 0.5},
                           {"positions", positions},
                           {"scorer", scorer},
                           {"evaluate_selector", selector}});
  configs.push_back({{"architecture", "subllm"},
                     {"structure", "T(T)"},
                     {"train_scorer", "attention"},
                     {"attention_log_weight", true}});
  return configs;
}

}  // namespace

TEST_CASE("attention over permuted rows is that over ordered rows, permuted", "[numerics]") {
  at::manual_seed(12);
  for (const int64_t kv_heads : {1, 2, 4})
    for (const auto& lengths : kLengths) {
      const RowsPtr rows = Rows::contiguous(lengths);
      const auto random = [&](int64_t heads) {
        return at::randn({rows->n_tokens(), heads, 6}, at::kDouble).requires_grad_();
      };
      const at::Tensor q = random(4), k = random(kv_heads), v = random(kv_heads);
      const at::Tensor order = shuffled(*rows);
      const auto of = [&](const at::Tensor& x) { return x.index_select(0, order); };
      const at::Tensor weights = at::randn({rows->n_tokens(), 4, 6}, at::kDouble);
      const auto gradients = [&](const at::Tensor& out, const at::Tensor& weight) {
        for (const at::Tensor& x : {q, k, v}) x.mutable_grad().reset();
        (out * weight).sum().backward();
        return std::vector<at::Tensor>{q.grad().clone(), k.grad().clone(), v.grad().clone()};
      };
      const at::Tensor truth = local_attention()->whole_rows(q, k, v, *rows, Run{});
      const at::Tensor got =
          local_attention()->whole_rows(of(q), of(k), of(v), *rows->permuted(order), Run{});
      CHECK(max_difference(got, of(truth)) < 1e-12);
      const auto expected = gradients(truth, weights), own = gradients(got, of(weights));
      for (size_t i = 0; i < 3; ++i) CHECK(max_difference(expected[i], own[i]) < 1e-12);
    }
}

TEST_CASE("models give permuted rows what they give ordered ones: all modes, selection too",
          "[contract]") {
  at::manual_seed(13);
  for (const json& config : permutable_configs())
    for (const auto& lengths : kLengths) {
      INFO(config.dump());
      const auto model = small_model(config, at::kDouble);
      model->calibrate({random_batch({40})});
      const Batch batch = random_batch(lengths);
      const at::Tensor order = shuffled(*batch.rows);
      at::NoGradGuard no_grad;
      for (const Mode mode : {Mode::train, Mode::evaluate, Mode::step}) {
        RecordedKeeps keeps, other;
        Run run;
        run.mode = mode;
        run.recorded = &keeps;
        const auto n_rows = static_cast<int64_t>(lengths.size());
        const auto steps = [&] {
          return mode == Mode::step ? model->new_state(n_rows, 4) : nullptr;
        };
        const auto state = steps(), twin = steps();
        const at::Tensor expected = run_model(*model, batch, state.get(), run);
        run.recorded = &other;
        const at::Tensor got = run_model(*model, permuted(batch, order), twin.get(), run);
        CHECK(max_difference(got, expected.index_select(0, order)) < 1e-10);
        CHECK(other.decided == keeps.decided);
        if (mode != Mode::step) continue;
        // And on from there.
        const at::Tensor more = at::randint(0, kSmallVocab, {2 * n_rows}, at::kLong);
        const std::vector<int64_t> two(n_rows, 2);
        const Batch next = with_token_hints(continue_rows(*state, more, two));
        const at::Tensor back = shuffled(*next.rows);
        CHECK(max_difference(run_model(*model, permuted(next, back), twin.get(), run),
                             run_model(*model, next, state.get(), run).index_select(0, back)) <
              1e-10);
      }
    }
}

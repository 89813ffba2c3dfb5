// What perplexity counts, token by token, and what a long row takes.
#include "experiments/tasks/perplexity.h"

#include <catch2/catch.hpp>

#include "experiments/machine/tensor_memory.h"
#include "experiments/tasks/random_keeps.h"
#include "models/parts/lm_head.h"
#include "tests/models/small_models.h"

using namespace sublab;

namespace {

constexpr int64_t kVocab = 61;
constexpr int64_t kBoundary = 60;

std::unique_ptr<LanguageModel> model_of(const json& config) {
  return small_model(config, at::kDouble, kVocab);
}

std::vector<std::vector<int64_t>> documents_of(const std::vector<int64_t>& lengths) {
  std::vector<std::vector<int64_t>> out;
  int64_t value = 7;
  for (const int64_t length : lengths) {
    out.emplace_back();
    for (int64_t i = 0; i < length; ++i) out.back().push_back(value = (value * 31 + 11) % 59);
  }
  return out;
}

/// Loss of token `t` of a document, read from `begin` (place -1 is the boundary) up to it, alone.
double loss_alone(const LanguageModel& model, const std::vector<int64_t>& ids, int64_t begin,
                  int64_t t) {
  std::vector<int64_t> tokens;
  for (int64_t place = begin; place < t; ++place)
    tokens.push_back(place < 0 ? kBoundary : ids[place]);
  const auto n = static_cast<int64_t>(tokens.size());
  const Batch batch{at::tensor(tokens, at::kLong), Rows::contiguous({n})};
  std::vector<int64_t> labels(tokens.size(), TokenRow::kIgnoredLabel);
  labels.back() = ids[t];
  const at::Tensor hidden = run_model(model, batch, nullptr, Run{});
  return token_losses(hidden, model.head_weight(), at::tensor(labels, at::kLong))[n - 1]
      .item<double>();
}

}  // namespace

TEST_CASE("numerator and denominator of perplexity count the same tokens", "[numerics][context]") {
  at::NoGradGuard no_grad;
  const auto model = model_of({{"architecture", "llama"}, {"n_layers", 2}});
  // Shorter than a window, as long as one, a place more, and windows that end in the middle.
  const auto documents = documents_of({1, 5, 8, 9, 21, 30});
  constexpr int64_t kWindow = 8, kStride = 3;
  const PerplexityResult result =
      measure_perplexity(*model, documents, kBoundary, kWindow, kStride, Run{});
  double loss = 0, window_means = 0;
  int64_t tokens = 0, n_windows = 0;
  for (size_t d = 0; d < documents.size(); ++d) {
    const auto n = static_cast<int64_t>(documents[d].size());
    int64_t scored = 0;
    for (int64_t begin = -1; scored < n; begin += kStride) {
      double of_window = 0;
      int64_t n_scored = 0;
      for (; scored < std::min(begin + kWindow + 1, n); ++scored, ++n_scored) {
        const double truth = loss_alone(*model, documents[d], begin, scored);
        CHECK(result.documents[d].token_losses.at(scored) == Approx(truth).epsilon(1e-5));
        of_window += truth;
      }
      if (n_scored == 0) continue;
      loss += of_window, tokens += n_scored;
      window_means += of_window / static_cast<double>(n_scored), ++n_windows;
    }
    CHECK(static_cast<int64_t>(result.documents[d].token_losses.size()) == n);
  }
  CHECK(tokens == 74);
  CHECK(result.n_tokens == static_cast<double>(tokens));
  CHECK(result.loss_sum == Approx(loss).epsilon(1e-6));
  CHECK(result.n_windows == static_cast<double>(n_windows));
  CHECK(result.window_mean_sum == Approx(window_means).epsilon(1e-6));
  // The two means differ, so that mixing them up shows.
  CHECK(std::abs(loss / tokens - window_means / n_windows) > 1e-3);
}

TEST_CASE("a row of 16,384 tokens is scored without quadratic memory", "[numerics][context]") {
  at::NoGradGuard no_grad;
  count_tensor_bytes();
  for (const json& config : std::vector<json>{
           {{"architecture", "llama"}, {"n_layers", 2}},
           {{"architecture", "subllm"}, {"structure", "T(T)T"}, {"retention", 0.5}}}) {
    CAPTURE(config);
    const auto model = small_model(config, at::kFloat, kVocab);
    const auto peak_of = [&](int64_t n) {
      const int64_t before = live_tensor_bytes();
      reset_peak_tensor_bytes();
      const auto result = measure_perplexity(*model, documents_of({n}), kBoundary, n, n, Run{});
      CHECK(result.n_tokens == static_cast<double>(n));
      return static_cast<double>(peak_tensor_bytes() - before);
    };
    const double quarter = peak_of(4096), whole = peak_of(16384);
    CHECK(whole < 2e9);
    CHECK(whole < 4.5 * quarter);  // linear: a [T, T] would grow sixteenfold
  }
}

TEST_CASE("random keep sets are as large as the chosen ones, and of a row alone",
          "[numerics][context]") {
  at::NoGradGuard no_grad;
  const auto model =
      model_of({{"architecture", "subllm"}, {"structure", "T(T(T)T)T"}, {"retention", 0.5}});
  const auto documents = documents_of({40, 40, 25});
  RecordedKeeps chosen;
  Run run;
  run.recorded = &chosen;
  std::vector<int64_t> tokens;
  for (const auto& document : documents)
    tokens.insert(tokens.end(), document.begin(), document.end());
  run_model(*model, {at::tensor(tokens, at::kLong), Rows::contiguous({40, 40, 25})}, nullptr, run);
  const RecordedKeeps drawn = random_keeps(chosen, {1, 2, 3});
  REQUIRE(drawn.decided.size() == 2);
  bool moved = false;
  for (size_t site = 0; site < 2; ++site)
    for (size_t row = 0; row < 3; ++row) {
      const auto &a = chosen.decided[site][row], &b = drawn.decided[site][row];
      CHECK(std::count(a.begin(), a.end(), 1) == std::count(b.begin(), b.end(), 1));
      moved = moved || a != b;
    }
  CHECK(moved);
  CHECK(random_keeps(chosen, {1, 2, 3}).decided == drawn.decided);
  // A document's losses under them do not depend on what else is scored.
  const auto all =
      measure_perplexity(*model, documents, kBoundary, 32, 16, Run{}, KeepSets::random);
  const auto own = measure_perplexity(*model, documents, kBoundary, 32, 16, Run{});
  CHECK(all.n_tokens == own.n_tokens);
  CHECK(std::abs(all.loss_sum - own.loss_sum) > 1e-6);
  const auto first =
      measure_perplexity(*model, {documents[0]}, kBoundary, 32, 16, Run{}, KeepSets::random);
  for (size_t t = 0; t < documents[0].size(); ++t)
    CHECK(first.documents[0].token_losses[t] ==
          Approx(all.documents[0].token_losses[t]).epsilon(1e-6));
}

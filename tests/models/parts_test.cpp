// The interfaces that later systems implement, each with a dummy that is composed of parts: they
// train, evaluate and step consistently.
#include <catch2/catch.hpp>

#include "experiments/audit/audit.h"
#include "models/parts/lm_head.h"
#include "tests/models/sketches/swapped_parts.h"
#include "tests/models/small_models.h"

using namespace sublab;
using Catch::Contains;

namespace {

using Make = std::function<std::unique_ptr<LanguageModel>()>;

Make decoder_with(const AttentionParts& parts) {
  return [parts] { return std::make_unique<SwappedDecoder>(kSmallVocab, parts); };
}

std::unique_ptr<LanguageModel> small_segments() {
  return small_model({{"architecture", "infini_transformer"}, {"n_layers", 2}, {"segment_len", 4}});
}

/// An architecture of every kind that design.md's systems need, and a decoder per swapped part.
std::vector<std::pair<std::string, Make>> sketches() {
  AttentionParts windowed = SwappedDecoder::plain(), ring = windowed, stretched = windowed;
  windowed.policy = std::make_shared<WindowPolicy>();
  ring.executor = std::make_shared<RingExecutor>(3);
  stretched.rope = std::make_shared<StretchedRope>(8);
  return {{"segments", small_segments},
          {"window", decoder_with(windowed)},
          {"ring", decoder_with(ring)},
          {"stretched", decoder_with(stretched)}};
}

/// Of 20 tokens 7 groups of three advance, and 4 of two of these.
const json kLadder = {{"architecture", "hourglass"},
                      {"hierarchy", "1@1 1@3 1@6 1@3 1@1"},
                      {"shortening", "average"},
                      {"upsampling", "repeat"}};

void check_gradients(const LanguageModel& model, bool recompute,
                     std::vector<at::Tensor>* gradients = nullptr) {
  at::manual_seed(1);
  const Batch batch = random_batch({20, 1, 13});
  Run run;
  run.mode = Mode::train;
  run.recompute = recompute;
  for (const Parameter& parameter : model.parameters()) parameter.tensor.mutable_grad().reset();
  lm_loss(run_model(model, batch, nullptr, run), model.head_weight(), batch.tokens, 34).backward();
  for (const Parameter& parameter : model.parameters()) {
    INFO(parameter.name);
    REQUIRE(parameter.tensor.grad().defined());
    CHECK(parameter.tensor.grad().isfinite().all().item<bool>());
    CHECK(parameter.tensor.grad().abs().sum().item<double>() > 0);
    if (gradients) gradients->push_back(parameter.tensor.grad().clone());
  }
}

}  // namespace

TEST_CASE("architectures composed of parts train, and their modes agree", "[contract]") {
  for (const auto& [name, make] : sketches()) {
    INFO(name);
    check_gradients(*make(), false);
    const AuditReport report = audit_model({make}, AuditSettings{});
    INFO(report.verdict);
    CHECK(report.as_expected());
  }
}

TEST_CASE("recomputed blocks give the same gradients, and count their activity once",
          "[numerics]") {
  AttentionParts windowed = SwappedDecoder::plain();
  windowed.policy = std::make_shared<WindowPolicy>();
  const SwappedDecoder model(kSmallVocab, windowed);
  std::vector<at::Tensor> kept, again;
  check_gradients(model, false, &kept);
  check_gradients(model, true, &again);
  for (size_t i = 0; i < kept.size(); ++i) CHECK(max_difference(again[i], kept[i]) < 1e-6);
  for (const bool recompute : {false, true}) {
    Activity activity;
    Run run;
    run.mode = Mode::train;
    run.recompute = recompute;
    run.activity = &activity;
    run_model(model, random_batch({20, 1, 13}), nullptr, run).sum().backward();
    CHECK(activity.total("tokens_evicted").n == 2 * (15 + 0 + 8));
    CHECK(activity.total("tokens_evicted").of == 2 * 34);
  }
}

TEST_CASE("an executor over ranks gives what one rank gives, gradients too", "[numerics]") {
  for (const int64_t ranks : {1, 2, 3, 4}) {
    AttentionParts parts = SwappedDecoder::plain();
    std::vector<at::Tensor> local, spread;
    check_gradients(SwappedDecoder(kSmallVocab, parts), false, &local);
    parts.executor = std::make_shared<RingExecutor>(ranks);
    check_gradients(SwappedDecoder(kSmallVocab, parts), false, &spread);
    for (size_t i = 0; i < local.size(); ++i) CHECK(max_difference(local[i], spread[i]) < 1e-5);
  }
}

TEST_CASE("mechanisms say how often they acted, evaluation and steps alike", "[contract]") {
  AttentionParts windowed = SwappedDecoder::plain();
  windowed.policy = std::make_shared<WindowPolicy>();
  const std::vector<std::tuple<std::string, Make, double>> cases = {
      {"tokens_evicted", decoder_with(windowed), 2 * (20 - 5)},
      {"groups_advanced", [] { return small_model(kLadder); }, 7 + 4},
      {"segments_folded", small_segments, 2 * 4}};
  at::NoGradGuard no_grad;
  for (const auto& [name, make, expected] : cases) {
    INFO(name);
    const auto model = make();
    const Batch batch = random_batch({20});
    Activity whole, sum;
    Run run;
    run.activity = &whole;
    run_model(*model, batch, nullptr, run);
    CHECK(whole.total(name).n == expected);
    run.mode = Mode::step;
    const auto state = model->new_state(1, 20);
    for (int64_t t = 0; t < 20; ++t) {
      Activity one;
      run.activity = &one;
      run_model(*model, continue_rows(*state, batch.tokens.slice(0, t, t + 1), {1}), state.get(),
                run);
      sum.add(one);
    }
    CHECK(sum.total(name).n == expected);
    CHECK(sum.total(name).of == whole.total(name).of);
    CHECK(sum.total("something else").fraction() == 0);
  }
}

TEST_CASE("angles freeze on the declared length of the request", "[contract]") {
  AttentionParts parts = SwappedDecoder::plain();
  parts.rope = std::make_shared<StretchedRope>(8);
  SwappedDecoder model(kSmallVocab, parts);
  convert_model(model, at::kDouble);
  at::NoGradGuard no_grad;
  at::manual_seed(9);
  const Batch batch = random_batch({30});
  Run run;
  const at::Tensor undeclared = run_model(model, batch, nullptr, run);
  run.declared_length = StretchedRope::kTrained;
  CHECK(run_model(model, batch, nullptr, run).equal(undeclared));
  run.declared_length = 48;
  const at::Tensor whole = run_model(model, batch, nullptr, run);
  CHECK(max_difference(whole, undeclared) > 1e-6);
  run.mode = Mode::step;
  const auto state = model.new_state(1, 4);
  const auto next = [&](int64_t begin, int64_t end) {
    const at::Tensor tokens = batch.tokens.slice(0, begin, end);
    return run_model(model, continue_rows(*state, tokens, {end - begin}), state.get(), run);
  };
  CHECK(max_difference(next(0, 10), whole.slice(0, 0, 10)) < 1e-12);
  run.declared_length = 0;  // the state remembers
  CHECK(max_difference(next(10, 22), whole.slice(0, 10, 22)) < 1e-12);
  run.declared_length = 64;
  CHECK_THROWS_WITH(next(22, 30), Contains("these rows began with 48"));
}

TEST_CASE("auxiliary losses add up with their weights and reach parameters", "[unit]") {
  AuxiliaryLosses losses;
  CHECK_FALSE(losses.total().defined());
  const at::Tensor w = at::full({3}, 2.0, at::kDouble).requires_grad_();
  losses.add("a", w.sum(), 0.5);
  losses.add("b", w.square().sum(), 0.25);
  losses.total().backward();
  CHECK(losses.total().item<double>() == 0.5 * 6 + 0.25 * 12);
  CHECK(w.grad().equal(at::full({3}, 0.5 + 0.25 * 4, at::kDouble)));
  CHECK_THROWS(losses.add("c", w, 1));
}

TEST_CASE("a level's blocks may be numbered behind others", "[unit]") {
  Ledger ledger;
  small_model(kLadder)->add_cost(CostShape::whole_rows(1, 12), ledger);
  std::vector<int64_t> layers;
  for (const LedgerLine& line : ledger.lines())
    if (line.part == "swiglu") layers.push_back(line.layer);
  CHECK(layers == std::vector<int64_t>{0, 1, 2, 3, 4});
}

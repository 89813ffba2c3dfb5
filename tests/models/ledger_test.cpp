// The ledger against what really ran: operators counted by a profiler's hook, bytes by the
// allocator.
#include <ATen/record_function.h>
#include <malloc.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "models/parts/lm_head.h"
#include "models/token_pairs.h"
#include "tests/models/small_models.h"

using namespace sublab;

namespace {

/// FLOPs of matrix products, attention and Fourier transforms (2.5 n log2 n for n real numbers) on
/// this thread while it lives. A kernel over whole rows counts as the full square.
class FlopCounter {
 public:
  FlopCounter() {
    flops_of_thread() = 0;
    handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(observe).needsInputs(true));
  }
  ~FlopCounter() { at::removeCallback(handle_); }
  double flops() const { return flops_of_thread(); }

 private:
  static double& flops_of_thread() {
    static thread_local double value = 0;
    return value;
  }
  /// Of `n` points each, along the last dimension.
  static double transforms(const c10::IValue& of, double n) {
    const at::Tensor& x = of.toTensor();
    return static_cast<double>(x.numel() / x.size(-1)) * 2.5 * n * std::log2(n);
  }
  static std::unique_ptr<at::ObserverContext> observe(const at::RecordFunction& f) {
    const std::string name = f.name();
    const auto in = f.inputs();
    const auto size = [&](size_t i, int64_t dim) {
      return static_cast<double>(in[i].toTensor().size(dim));
    };
    double& flops = flops_of_thread();
    if (name == "aten::mm") flops += 2 * size(0, 0) * size(0, 1) * size(1, 1);
    if (name == "aten::bmm") flops += 2 * size(0, 0) * size(0, 1) * size(0, 2) * size(1, 2);
    if (name == "aten::addmm") flops += 2 * size(1, 0) * size(1, 1) * size(2, 1);
    if (name == "sublab::linear_map") flops += 2 * size(0, 0) * size(0, 1) * size(1, 0);
    if (name == "sublab::decode_attention")
      flops += 4 * size(0, 1) * size(0, 2) * static_cast<double>(in[1].toInt());
    if (name == "aten::_scaled_dot_product_flash_attention_for_cpu")
      flops += 4 * size(0, 0) * size(0, 1) * size(0, 2) * size(1, 2) * size(0, 3);
    if (name == "aten::_fft_r2c") flops += transforms(in[0], size(0, -1));
    if (name == "aten::_fft_c2r") flops += transforms(in[0], static_cast<double>(in[3].toInt()));
    return nullptr;
  }
  at::CallbackHandle handle_;
};

double without_head(const Ledger& ledger, double LedgerLine::*field) {
  double sum = 0;
  for (const LedgerLine& line : ledger.lines())
    if (line.part != "head") sum += line.*field;
  return sum;
}

}  // namespace

#ifdef NDEBUG  // LibTorch is built so, and what its hook hands over differs otherwise
TEST_CASE("the ledger's FLOPs are those of the operators that ran", "[contract]") {
  for (const ModelCase& each : model_cases(tree_catalog())) {
    INFO(each.name);
    const auto model = fitted_model(each);
    const EvenKeeps keeps(model->selection_sites());
    Run run;
    if (!model->selection_sites().empty()) run.forced = &keeps;
    at::NoGradGuard no_grad;
    const Batch batch = random_batch({24, 24});
    {
      const FlopCounter counter;
      run_model(*model, batch, nullptr, run);
      Ledger ledger;
      model->add_cost(CostShape::whole_rows(2, 24), ledger);
      CHECK(counter.flops() == Approx(without_head(ledger, &LedgerLine::flops_square)));
    }
    if (each.entry->expects == "leaks") continue;  // whole rows once more in every step
    run.mode = Mode::step;
    const auto state = model->new_state(2, 32);
    run_model(*model, with_token_hints(continue_rows(*state, batch.tokens, {24, 24})), state.get(),
              run);
    const FlopCounter counter;
    for (int64_t t = 0; t < 4; ++t)
      run_model(*model,
                with_token_hints(continue_rows(*state, batch.tokens.slice(0, 0, 2), {1, 1})),
                state.get(), run);
    Ledger ledger;  // four tokens against 24, half of them kept per level: the same products
    CostShape shape = CostShape::whole_rows(2, 4);
    shape.past_tokens = {24, 24};
    shape.kept_fraction.assign(model->selection_sites().size(), 0.5);
    model->add_cost(shape, ledger);
    CHECK(counter.flops() == Approx(without_head(ledger, &LedgerLine::flops_causal)));
  }
}

#endif

namespace {

std::vector<LedgerLine> lines_of(const LanguageModel& model, const CostShape& shape) {
  Ledger ledger;
  model.add_cost(shape, ledger);
  return ledger.lines();
}

/// Whole rows, prompts that go on and single steps, at kept shares down to a tenth.
std::vector<CostShape> shapes_of(const LanguageModel& model) {
  std::vector<CostShape> out = {CostShape::whole_rows(2, 24), CostShape::decode(1, 0),
                                CostShape::decode(1, 24), CostShape::decode(3, 25)};
  out.push_back(CostShape::whole_rows(3, 5));
  out.back().past_tokens = {0, 7, 24};
  const size_t n = out.size(), n_sites = model.selection_sites().size();
  for (size_t i = 0; i < n; ++i)
    for (const double share : {1.0, 0.64, 0.5, 0.37, 0.1}) {
      out.push_back(out[i]);
      out.back().kept_fraction.assign(n_sites, share);
    }
  return out;
}

}  // namespace

TEST_CASE("no line of the ledger has more pairs than its square", "[contract]") {
  for (const ModelCase& each : model_cases(tree_catalog())) {
    INFO(each.name);
    const auto model = fitted_model(each);
    for (const CostShape& shape : shapes_of(*model))
      for (const LedgerLine& line : lines_of(*model, shape)) {
        INFO(line.part << " at level " << line.level << ", " << line.tokens << " tokens");
        CHECK(line.flops_causal <= line.flops_square * (1 + 1e-12));
        CHECK(line.flops_causal >= 0);
      }
  }
  // A token that comes with probability t < 1 sees the past and itself.
  CHECK(pairs_among(0.25).causal == 0.25);
  CHECK(pairs_among(0.25).square == 0.25);
  CHECK(pairs_among(3).causal == 6);
  CHECK(pairs_among(3).square == 9);
}

TEST_CASE("weights of an inner level are read as often as it is reached", "[contract]") {
  for (const ModelCase& each : model_cases(tree_catalog())) {
    INFO(each.name);
    const auto model = fitted_model(each);
    const size_t n_sites = model->selection_sites().size();
    const auto reached = [&](double share) {
      CostShape shape = CostShape::decode(2, 24);
      shape.reached_fraction.assign(n_sites, share);
      return lines_of(*model, shape);
    };
    const auto never = reached(0), half = reached(0.5), always = reached(1);
    for (size_t i = 0; i < always.size(); ++i) {
      INFO(always[i].part << " at level " << always[i].level);
      // The cache is counted by the tokens that come, not by the steps in which any does.
      const bool weights =
          n_sites > 0 && always[i].level > 0 && always[i].part != "attention.scores";
      CHECK(never[i].bytes == (weights ? 0 : always[i].bytes));
      CHECK(half[i].bytes == Approx(weights ? always[i].bytes / 2 : always[i].bytes));
    }
  }
}

#ifndef __SANITIZE_ADDRESS__  // its allocator keeps no such statistics
TEST_CASE("the ledger's activations are what the allocator holds for the backward pass",
          "[contract]") {
  const auto in_use = [] {
    const struct mallinfo2 info = mallinfo2();
    return static_cast<double>(info.uordblks + info.hblkhd);
  };
  std::vector<double> kept, predicted;
  for (json config : std::vector<json>{
           {{"architecture", "llama"}, {"n_layers", 3}, {"n_kv_heads", 2}},
           {{"architecture", "subllm"}, {"structure", "T(T(TT)T)T"}, {"retention", 0.5}},
           {{"architecture", "mixture_of_depths"}, {"n_layers", 4}, {"retention", 0.5}},
           {{"architecture", "mixture_of_depths"},
            {"n_layers", 4},
            {"retention", 0.25},
            {"decision", "predictor"}}}) {
    INFO(config.dump());
    config["d_model"] = 128;
    const auto model = small_model(config);
    const EvenKeeps keeps(model->selection_sites());
    Run run;
    run.mode = Mode::train;
    if (!model->selection_sites().empty()) run.forced = &keeps;
    const Batch batch = random_batch({512, 512});
    const auto pass = [&] {
      const at::Tensor hidden = run_model(*model, batch, nullptr, run);
      return std::make_pair(hidden, lm_loss(hidden, model->head_weight(), batch.tokens, 1024));
    };
    pass();  // what is made once is made
    const double before = in_use();
    const auto alive = pass();
    Ledger ledger;
    model->add_cost(CostShape::whole_rows(2, 512), ledger);
    kept.push_back(in_use() - before);
    predicted.push_back(ledger.activation_bytes(false));
    CHECK(kept.back() == Approx(predicted.back()).epsilon(0.02));
  }
  CHECK(kept[0] - kept[1] == Approx(predicted[0] - predicted[1]).epsilon(0.05));
}
#endif

// The ledger against what really ran: operators counted by a profiler's hook, bytes by the
// allocator.
#include <ATen/record_function.h>
#include <malloc.h>

#include <catch2/catch.hpp>

#include "models/parts/lm_head.h"
#include "tests/models/small_models.h"

using namespace sublab;

namespace {

/// FLOPs of matrix products and attention on this thread while it lives. A kernel over whole rows
/// counts as the full square.
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
           {{"architecture", "subllm"}, {"structure", "T(T(TT)T)T"}, {"retention", 0.5}}}) {
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

// A model works where its weights are: every example of the catalog on a device that is not the
// CPU, with the same numbers as on the CPU. Operators refuse tensors of both, and reads by the host
// are counted.
#include <catch2/catch.hpp>

#include "tests/models/second_device.h"
#include "tests/models/twins.h"

using namespace sublab;

namespace {

/// The CPU attends by its flash kernel, other devices by plain operators; all else is the same.
constexpr double kRounding = 1e-11;

/// Whether training ranks rows, which needs no look at the scores.
bool ranks_in_training(const ModelCase& subject) {
  const json selector = subject.config.value("train_selector", json());
  return selector.is_null() || chosen_type(selector).starts_with("top_k");
}

}  // namespace

TEST_CASE("a host pointer into the second device's tensors is no value", "[contract]") {
  const at::Tensor there = at::ones({3}).to(second_device());
  CHECK_THROWS_WITH(there.index_select(0, at::zeros({1}, at::kLong)),
                    Catch::Contains("CPU tensor"));
  const Transfers transfers;
  CHECK(there.sum().item<double>() == 3);
  CHECK(transfers.to_host() == 1);
}

TEST_CASE("models evaluate and train on another device as on the CPU", "[contract]") {
  for (const ModelCase& subject : model_cases(tree_catalog())) {
    INFO(subject.name);
    const Twins twins(subject, second_device());
    at::manual_seed(3);
    const Batch batch = random_batch({17, 9, 17}), there = batch.to(second_device());
    const auto n_sites = static_cast<int64_t>(twins.here->selection_sites().size());
    {
      const at::NoGradGuard no_grad;
      const at::Tensor expected = run_model(*twins.here, batch, nullptr, Run{});
      const Transfers transfers;
      const at::Tensor hidden = run_model(*twins.there, there, nullptr, Run{});
      CHECK(transfers.to_host() <= n_sites);
      CHECK(hidden.device() == second_device());
      CHECK(max_difference(hidden.cpu(), expected) < kRounding);
    }
    const Coins coins(1, 0);
    loss_of(*twins.here, batch, training_run(coins)).backward();
    const Transfers transfers;
    const at::Tensor loss = loss_of(*twins.there, there, training_run(coins));
    loss.backward();
    if (ranks_in_training(subject)) CHECK(transfers.to_host() == 0);
    const auto here = twins.here->parameters(), elsewhere = twins.there->parameters();
    for (size_t i = 0; i < here.size(); ++i) {
      INFO(here[i].name);
      const at::Tensor expected = here[i].tensor.grad(), got = elsewhere[i].tensor.grad();
      REQUIRE(got.defined() == expected.defined());  // what nothing reads has none
      if (!got.defined()) continue;
      CHECK(got.device() == second_device());
      CHECK(max_difference(got.cpu(), expected) < kRounding);
    }
  }
}

TEST_CASE("models step on another device as on the CPU", "[contract]") {
  const at::NoGradGuard no_grad;
  for (const ModelCase& subject : model_cases(tree_catalog())) {
    INFO(subject.name);
    const Twins twins(subject, second_device());
    const auto n_sites = static_cast<int64_t>(twins.here->selection_sites().size());
    const auto state = twins.here->new_state(2, 16), other = twins.there->new_state(2, 16);
    Run run;
    run.mode = Mode::step;
    at::manual_seed(4);
    for (const std::vector<int64_t>& lengths :
         std::vector<std::vector<int64_t>>{{7, 3}, {1, 1}, {2, 0}, {1, 1}}) {
      const Batch batch = next_batch(*state, lengths), there = batch.to(second_device());
      const at::Tensor expected = run_model(*twins.here, batch, state.get(), run);
      const Transfers transfers;
      const at::Tensor hidden = run_model(*twins.there, there, other.get(), run);
      CHECK(transfers.to_host() <= n_sites);
      CHECK(max_difference(hidden.cpu(), expected) < kRounding);
    }
  }
}

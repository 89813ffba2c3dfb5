// What the catalog holds computes on the device what it computes on the CPU: every example of it
// evaluates, trains and steps, in fp64 with decisions of its own, in fp32 and bf16 with the CPU's
// decisions, which rounding may turn where a score lies at its threshold.
#include <catch2/catch.hpp>

#include "tests/device/device.h"
#include "tests/models/twins.h"

using namespace sublab;

namespace {

/// Largest difference, of the largest number of a tensor. The device of our own takes the CPU's
/// kernels but for attention; a card sums in another order.
double bound(at::ScalarType dtype) {
  if (dtype == at::kDouble) return on_a_card() ? 1e-9 : 1e-11;
  if (dtype == at::kFloat) return on_a_card() ? 1e-3 : 1e-4;
  return 0.15;  // bfloat16: eight bits, through every layer
}

void check_close(const at::Tensor& got, const at::Tensor& expected) {
  CHECK(got.device() == device_under_test());
  REQUIRE(got.sizes() == expected.sizes());
  if (expected.numel() == 0) return;
  const double largest = expected.abs().max().to(at::kDouble).item<double>();
  CHECK(max_difference(got.cpu(), expected) <=
        bound(expected.scalar_type()) * std::max(largest, 1e-3));
}

/// Calls `check` with each example in each type that the device is asked for.
template <class Check>
void for_each_case(const Check& check) {
  for (const ModelCase& subject : model_cases(tree_catalog()))
    for (const at::ScalarType dtype : {at::kDouble, at::kFloat, at::kBFloat16}) {
      if (dtype == at::kBFloat16 && !on_a_card()) continue;
      INFO(subject.name << ", " << dtype);
      check(Twins(subject, device_under_test(), dtype), dtype);
    }
}

/// A pass on the CPU that takes its own decisions, left in `keeps`, and after it the same by them.
/// In fp64 there are none: the device decides by itself.
struct Decisions {
  RecordedKeeps keeps;
  at::ScalarType dtype;

  Run recording(Run run) {
    run.recorded = &keeps;
    return run;
  }
  Run following(Run run) const {
    if (dtype != at::kDouble) run.forced = &keeps;
    return run;
  }
};

}  // namespace

TEST_CASE("every example of the catalog evaluates on the device", "[contract]") {
  const at::NoGradGuard no_grad;
  for_each_case([](const Twins& twins, at::ScalarType dtype) {
    at::manual_seed(3);
    const Batch batch = random_batch({17, 9, 17});
    Decisions decisions{{}, dtype};
    run_model(*twins.here, batch, nullptr, decisions.recording(Run{}));
    const Run run = decisions.following(Run{});
    const at::Tensor expected = run_model(*twins.here, batch, nullptr, run);
    check_close(run_model(*twins.there, batch.to(device_under_test()), nullptr, run), expected);
  });
}

TEST_CASE("every example of the catalog trains on the device", "[contract]") {
  for_each_case([](const Twins& twins, at::ScalarType dtype) {
    at::manual_seed(3);
    const Batch batch = random_batch({17, 9, 17});
    const Coins coins(1, 0);
    Decisions decisions{{}, dtype};
    {
      const at::NoGradGuard no_grad;
      run_model(*twins.here, batch, nullptr, decisions.recording(training_run(coins)));
      // What follows training (a threshold) has moved on the CPU alone.
      copy_shared_weights(*twins.here, *twins.there, "test");
    }
    const Run run = decisions.following(training_run(coins));
    const at::Tensor expected_loss = loss_of(*twins.here, batch, run);
    const at::Tensor loss = loss_of(*twins.there, batch.to(device_under_test()), run);
    check_close(loss.detach(), expected_loss.detach());
    expected_loss.backward();
    loss.backward();
    const auto here = twins.here->parameters(), there = twins.there->parameters();
    for (size_t i = 0; i < here.size(); ++i) {
      INFO(here[i].name);
      const at::Tensor expected = here[i].tensor.grad(), got = there[i].tensor.grad();
      REQUIRE(got.defined() == expected.defined());  // what nothing reads has none
      if (!got.defined()) continue;
      CHECK(got.isfinite().all().item<bool>());
      if (dtype != at::kBFloat16) check_close(got, expected);  // sums of many small terms
    }
  });
}

TEST_CASE("every example of the catalog steps on the device", "[contract]") {
  const at::NoGradGuard no_grad;
  for_each_case([](const Twins& twins, at::ScalarType dtype) {
    Decisions decisions{{}, dtype};
    Run step;
    step.mode = Mode::step;
    const auto first = twins.here->new_state(2, 16), here = twins.here->new_state(2, 16),
               there = twins.there->new_state(2, 16);
    at::manual_seed(4);
    for (const std::vector<int64_t>& lengths :
         std::vector<std::vector<int64_t>>{{7, 3}, {1, 1}, {2, 0}, {1, 1}}) {
      const Batch batch = next_batch(*first, lengths);
      run_model(*twins.here, batch, first.get(), decisions.recording(step));
      const Run run = decisions.following(step);
      const at::Tensor expected = run_model(*twins.here, batch, here.get(), run);
      check_close(run_model(*twins.there, batch.to(device_under_test()), there.get(), run),
                  expected);
    }
  });
}

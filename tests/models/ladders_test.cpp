// What hourglass and zipformer share: groups of a row's tokens, decoding, bad input.
#include <catch2/catch.hpp>

#include "baselines/architectures/token_groups.h"
#include "tests/models/ladder_models.h"

using namespace sublab;
using Catch::Contains;

TEST_CASE("groups end at every k-th token, wherever a row goes on", "[unit]") {
  const RowsPtr rows = Rows::contiguous({4, 0, 2, 1}, {0, 5, 5, 6});
  const TokenGroups groups = fixed_groups(*rows, 3, RowFront::first_token, true, at::kCPU);
  const auto list = [](const at::Tensor& x) {
    return std::vector<int64_t>(x.const_data_ptr<int64_t>(),
                                x.const_data_ptr<int64_t>() + x.numel());
  };
  CHECK(list(groups.ends) == std::vector<int64_t>{0, 3, 5, 6});
  CHECK(groups.rows->lengths() == std::vector<int64_t>{2, 0, 1, 1});
  CHECK(groups.rows->start(2) == 2);
  CHECK(list(groups.rows->positions()) == std::vector<int64_t>{0, 3, 6, 6});
  CHECK(groups.seen == std::vector<int64_t>{1, 1, 1, 2, 2, 3, 3});
  CHECK(groups.tokens_seen == std::vector<int64_t>{1, 4, 7, 7});
  // Two open tokens of each of four rows stand in front; then the groups of each row.
  CHECK(list(groups.members) == std::vector<int64_t>{8, 8, 8, 9, 10, 11, 5, 12, 13, 6, 7, 14});
  CHECK(list(groups.left) == std::vector<int64_t>{10, 11, 2, 3, 12, 13, 7, 14});
  CHECK(list(groups.of_token) == std::vector<int64_t>{4, 4, 4, 5, 2, 6, 7});
  CHECK(list(groups.last) == std::vector<int64_t>{5, 1, 6, 7});
  CHECK(list(groups.place) == std::vector<int64_t>{0, 1, 2, 0, 2, 0, 0});
  CHECK_FALSE(groups.distinct);
  const TokenGroups whole =
      fixed_groups(*Rows::contiguous({4}), 3, RowFront::zeros, false, at::kCPU);
  CHECK(list(whole.members) == std::vector<int64_t>{0, 1, 2, 3, 4, 5});
  CHECK(list(whole.of_token) == std::vector<int64_t>{0, 0, 0, 1});
}

TEST_CASE("a constant stays one through groups and back", "[unit]") {
  const at::Tensor x = at::full({9, 4}, 0.7, at::kDouble);
  const RowsPtr rows = Rows::contiguous({5, 1, 3});
  for (const int64_t k : {1, 2, 3, 8})
    for (const bool causal : {true, false}) {
      const TokenGroups groups =
          causal ? fixed_groups(*rows, k, RowFront::first_token, false, at::kCPU)
                 : leaking_groups(*rows, k, at::kCPU);
      CHECK(max_difference(repeated(group_means(x, groups, nullptr), groups, nullptr), x) < 1e-15);
    }
  const TokenGroups alone = fixed_groups(*rows, 1, RowFront::zeros, false, at::kCPU);
  const at::Tensor y = at::randn({9, 4}, at::kDouble);
  CHECK(repeated(group_means(y, alone, nullptr), alone, nullptr).equal(y));
}

TEST_CASE("a coarse stack advances once per group, and holds the open one", "[contract]") {
  at::NoGradGuard no_grad;
  for (const auto& [config, fine, coarse] : {std::make_tuple(hourglass("1@1 2@4 1@1"), 2, 2),
                                             std::make_tuple(zipformer("2@1 2@4"), 2, 2),
                                             std::make_tuple(zipformer("1@1 1@16"), 1, 1)}) {
    const int64_t k = config.dump().find("16") == std::string::npos ? 4 : 16;
    INFO(config.dump());
    const auto model = small_model(config);
    const auto state = model->new_state(1, 40);
    Run run;
    run.mode = Mode::step;
    const int64_t per_token = 2 * 16 * 4, held = (k - 1 + 1) * 32 * 4;
    for (int64_t t = 1; t <= 40; ++t) {
      Activity activity;
      run.activity = &activity;
      run_model(*model, continue_rows(*state, at::zeros({1}, at::kLong), {1}), state.get(), run);
      CHECK(activity.total("groups_advanced").n == (t % k == 1 ? 1 : 0));
      CHECK(activity.total("groups_advanced").of == 1);
      CHECK(state->n_bytes() == per_token * (fine * t + coarse * ((t + k - 1) / k)) + held);
    }
  }
}

TEST_CASE("ladders give permuted rows what they give ordered ones", "[contract]") {
  at::manual_seed(9);
  for (const json& config : {hourglass("1@1 1@3 1@1", "attention", "attention"),
                             zipformer("1@1 1@3"), zipformer("1@1 1@3", "zipformer_noncausal")}) {
    INFO(config.dump());
    const auto model = small_model(config, at::kDouble);
    const Batch batch = random_batch({8, 5});
    const at::Tensor order = at::cat({at::randperm(8, at::kLong), at::randperm(5, at::kLong) + 8});
    const Batch other{batch.tokens.index_select(0, order), batch.rows->permuted(order), {}};
    CHECK(max_difference(hidden_of(*model, other),
                         hidden_of(*model, batch).index_select(0, order)) < 1e-12);
    const at::Tensor some = at::tensor({0, 2}, at::kLong);
    CHECK_THROWS_WITH(
        hidden_of(*model,
                  {batch.tokens.index_select(0, some), batch.rows->arranged(some, {2, 0}), {}}),
        Contains("need whole rows"));
  }
}

TEST_CASE("a ladder that makes no sense is refused with the reason", "[unit]") {
  const auto refuses = [](json config, const json& changes, const char* why) {
    config.update(changes);
    CHECK_THROWS_WITH(small_model(config), Contains(why));
  };
  const json h = {{"architecture", "hourglass"}}, z = {{"architecture", "zipformer"}};
  refuses(h, {{"hierarchy", "2@1"}},
          "/model/hierarchy: '2@1' has 1 stages; allowed: an odd number");
  refuses(h, {{"hierarchy", "2@2 1@4 2@2"}}, "begins at rate 2, not 1");
  refuses(h, {{"hierarchy", "2@1 1@4 1@6 1@4 2@1"}},
          "has rate 6 inside 4; allowed: a larger multiple");
  refuses(h, {{"hierarchy", "2@1 1@4 2@2"}}, "goes in at rate 1 and out at 2");
  refuses(h, {{"hierarchy", "2@1 x@4 2@1"}}, "has 'x@4'; allowed: layers@rate");
  refuses(h, {{"hierarchy", "0@1 0@4 0@1"}}, "has 0 layers");
  refuses(h, {{"hierarchy", "1@1 1@4 1@1"}, {"n_layers", 4}},
          "/model/n_layers: 4 disagrees with '1@1 1@4 1@1', which has 3 layers");
  refuses(h, {{"shortening", "averge"}}, "average");
  refuses(h, {{"boundary_ids", {10, 32}}, {"shortening", "linear"}}, "needs groups of equal size");
  refuses(h, {{"boundary_ids", {10, 32}}, {"upsampling", "linear"}}, "needs groups of equal size");
  refuses(h, {{"boundary_ids", {10, 61}}}, "61 is no id of a vocabulary of 61");
  refuses(z, {{"stacks", "2@1 1@1"}}, "has no rate above 1; that is llama");
  refuses(z, {{"stacks", "2@1 1@2"}, {"stack_heads", {4}}}, "lists 1 values, but stacks has 2");
  refuses(z, {{"stacks", "2@1 1@2"}, {"stack_heads", {4, 8}}}, "/1: 8 is more than n_heads, 4");
  refuses(z, {{"stacks", "2@1 1@2"}, {"stack_heads", {2, 2}}}, "no stack has n_heads, 4");
  refuses(z, {{"stacks", "2@1 1@2"}, {"stack_heads", {4, 1}}, {"n_kv_heads", 2}},
          "leave no whole number of 2 key/value heads");
  refuses(z, {{"stacks", "2@1 1@2"}, {"stack_heads", {2, 4}}, {"tied_head", true}},
          "needs a first stack as wide as the output");
  refuses(z, {{"bypass_probability", 0.0}, {"bypass_low_end", 0.3}},
          "has no effect with bypass_probability 0");
  refuses(z, {{"schedule", "paper_steps"}, {"bypass_ramp", 0.3}}, "has no effect with schedule");
}

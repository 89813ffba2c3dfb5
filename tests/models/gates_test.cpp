// Gates: what a kept token weighs, alone and beside others.
#include <catch2/catch.hpp>

#include "tests/models/small_models.h"

using namespace sublab;

namespace {

std::unique_ptr<Gate> gate(const std::string& name) {
  return make_choice(tree_catalog().parts.gates, "gate", name, "test", {});
}

}  // namespace

TEST_CASE("raw and sigmoid are functions of the token's own score", "[unit]") {
  const at::Tensor s = at::tensor({-3.0, -0.5, 0.0, 0.25, 7.0}, at::kDouble);
  CHECK(gate("raw")->weights(s).equal(s));
  CHECK(max_difference(gate("sigmoid")->weights(s), 1 / (1 + (-s).exp())) < 1e-15);
  CHECK(gate("sigmoid")->new_memory(3) == nullptr);
  CHECK(gate("raw")->among_kept(s, {2, 3}, nullptr).equal(s));
}

TEST_CASE("softmax is over the kept so far, the same for every cut, and forgets a constant",
          "[numerics]") {
  at::manual_seed(1);
  const auto softmax = gate("softmax");
  const std::vector<int64_t> lengths = {5, 0, 1, 8};
  const at::Tensor s = at::randn({14}, at::kDouble) * 4;
  const auto whole = [&](const at::Tensor& scores) {
    const auto memory = softmax->new_memory(4);
    return softmax->among_kept(softmax->weights(scores), lengths, memory.get());
  };
  const at::Tensor w = whole(s);
  CHECK(max_difference(whole(s + 1000), w) < 1e-11);
  int64_t begin = 0;
  for (const int64_t n : lengths) {
    const at::Tensor row = s.slice(0, begin, begin + n);
    for (int64_t i = 0; i < n; ++i)
      CHECK(w[begin + i].item<double>() ==
            Approx(row.slice(0, 0, i + 1).softmax(0)[i].item<double>()).epsilon(1e-12));
    // The last one weighs what a softmax over the whole row gives it.
    if (n > 0)
      CHECK(w[begin + n - 1].item<double>() == Approx(row.softmax(0)[n - 1].item<double>()));
    begin += n;
  }
  for (int64_t cut = 0; cut <= 8; ++cut) {
    const auto memory = softmax->new_memory(1);
    const at::Tensor row = s.slice(0, 6, 14);
    const at::Tensor first = softmax->among_kept(row.slice(0, 0, cut), {cut}, memory.get());
    const auto fork = memory->fork({0, 0});
    const at::Tensor rest = row.slice(0, cut);
    const at::Tensor twice =
        softmax->among_kept(at::cat({rest, rest}), {8 - cut, 8 - cut}, fork.get());
    CHECK(max_difference(first, w.slice(0, 6, 6 + cut)) < 1e-14);
    CHECK(max_difference(twice.slice(0, 8 - cut), w.slice(0, 6 + cut, 14)) < 1e-14);
    CHECK(memory->n_bytes() == (cut > 0 ? 8 : 0));
  }
}

TEST_CASE("subllm takes the gates, and softmax no selector that changes weights", "[unit]") {
  const Catalog& catalog = tree_catalog();
  const auto train_selector = [&](const char* name) {
    return catalog.architecture("subllm", "test")
        .resolve({{"gate", name}}, "/model", catalog.parts)
        .at("train_selector")
        .at("type");
  };
  CHECK(train_selector("sigmoid") == "top_k_discard");
  CHECK(train_selector("softmax") == "top_k");
  CHECK_THROWS_WITH(
      small_model(
          {{"architecture", "subllm"}, {"gate", "softmax"}, {"train_selector", "top_k_discard"}}),
      Catch::Contains("/model/train_selector"));
}

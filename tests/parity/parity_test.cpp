// Folders that transformers wrote (make_reference.py) open as they are, with its logits.
#include <catch2/catch.hpp>

#include "core/npy.h"
#include "experiments/checkpoint.h"

using namespace sublab;

TEST_CASE("transformers' Llama folders give transformers' logits", "[numerics]") {
  at::NoGradGuard no_grad;
  const Catalog catalog = built_in_catalog();
  int n = 0;
  for (const auto& entry :
       fs::directory_iterator(fs::path(SUBLAB_SOURCE_ROOT) / "tests/parity/data")) {
    if (!entry.is_directory()) continue;
    ++n;
    INFO(entry.path().string());
    const Checkpoint checkpoint = load_checkpoint(entry.path(), catalog);
    const auto ids =
        parse_json(read_file(entry.path() / "tokens.json"), "tokens").get<std::vector<int64_t>>();
    const Batch batch{at::tensor(ids, at::kLong),
                      Rows::contiguous({static_cast<int64_t>(ids.size())})};
    const at::Tensor hidden = run_model(*checkpoint.model, batch, nullptr, Run{});
    const at::Tensor logits = at::mm(hidden, checkpoint.model->head_weight().t()).contiguous();
    const NpyArray expected = read_npy(entry.path() / "logits.npy");
    REQUIRE(expected.shape == logits.sizes().vec());
    const auto values = expected.as_doubles();
    const auto* ours = logits.const_data_ptr<float>();
    double worst = 0;
    for (size_t i = 0; i < values.size(); ++i)
      worst = std::max(worst, std::abs(values[i] - ours[i]));
    CHECK(worst <= 1e-4);
  }
  CHECK(n == 5);
}

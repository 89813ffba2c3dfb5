// Folders that transformers wrote (make_reference.py) open as they are, with its logits.
#include <catch2/catch.hpp>

#include "core/npy.h"
#include "experiments/checkpoint.h"
#include "models/interchange/hf_config.h"

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

TEST_CASE("settings of transformers that this llama lacks are refused by name", "[unit]") {
  const fs::path folder = fs::path(SUBLAB_SOURCE_ROOT) / "tests/parity/data/gqa_untied";
  const json sound = parse_json(read_file(folder / "config.json"), "config");
  CHECK(from_hf_config(sound, "c").at("n_kv_heads") == 2);
  const std::vector<std::pair<json, std::string>> refused = {
      {{{"model_type", "mistral"}}, "model_type 'mistral'"},
      {{{"hidden_act", "gelu"}}, "hidden_act 'gelu'"},
      {{{"quantization_config", {{"bits", 4}}}}, "quantised"},
      {{{"rope_scaling", {{"type", "linear"}, {"factor", 2}}}}, "rope type \"linear\""},
      {{{"rope_parameters", {{"rope_type", "yarn"}}}}, "rope type \"yarn\""},
      {{{"partial_rotary_factor", 0.5}}, "partial_rotary_factor 0.5"},
      {{{"hidden_size", "wide"}}, "/hidden_size"},
      {{{"num_hidden_layers", nullptr}}, "has no num_hidden_layers"}};
  for (const auto& [edit, expected] : refused) {
    json config = sound;
    config.update(edit);
    CHECK_THROWS_WITH(from_hf_config(config, "c"), Catch::Contains(expected));
  }
}

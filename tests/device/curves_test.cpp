// Twenty steps of training on the device lose what they lose on the CPU: forward pass, gradient,
// clipping, the fused update and what it leaves behind, together.
#include <catch2/catch.hpp>

#include "experiments/train/trainer.h"
#include "tests/device/device.h"
#include "tests/experiments/noise_rows.h"

using namespace sublab;

namespace {

/// Eight rows, again and again, which can be learned.
struct Repeated : Noise {
  TokenRow row(int64_t index) const override { return Noise::row(index % 8); }
};

/// Losses of the steps, of one and the same start.
std::vector<double> curve(const json& given, const std::string& dtype, at::Device device) {
  const ArchitectureEntry& entry = tree_catalog().architecture(given.at("architecture"), "test");
  const auto model = entry.make(entry.resolve(given, "/model", tree_catalog().parts), kSmallVocab,
                                {1, device}, tree_catalog().parts);
  TrainConfig config;
  config.batch_tokens = 160;
  config.micro_batch_tokens = 80;
  config.tokens = 20 * config.batch_tokens;
  config.learning_rate = 5e-3;
  config.dtype = dtype;
  const Repeated rows;
  Trainer trainer(*model, rows, config, 3);
  while (!trainer.done()) REQUIRE(trainer.step());
  std::vector<double> losses;
  for (const TrainingPoint& point : trainer.finish().curve) losses.push_back(point.loss_nats);
  return losses;
}

/// Share of the first step's loss that a step may differ by. In bfloat16 a product's sum has eight
/// bits, and a token at the edge of a level is kept by one and dropped by the other.
double bound(const std::string& dtype) { return dtype == "float32" ? 1e-3 : 2e-2; }

}  // namespace

TEST_CASE("twenty steps of training on the device lose what they lose on the CPU", "[curves]") {
  const json sizes = {{"d_model", 64}, {"n_heads", 2}};
  json llama = {{"architecture", "llama"}, {"n_layers", 3}};
  json subllm = {{"architecture", "subllm"}, {"structure", "T(T(T)T)T"}};
  llama.update(sizes);
  subllm.update(sizes);
  for (const json& given : {llama, subllm})
    for (const std::string dtype : {"float32", "bfloat16"}) {
      INFO(given.dump() << " in " << dtype);
      const auto expected = curve(given, dtype, at::kCPU);
      const auto got = curve(given, dtype, device_under_test());
      REQUIRE(got.size() == 20);
      REQUIRE(expected.size() == 20);
      CHECK(expected.back() < 0.9 * expected.front());  // it learns
      for (size_t i = 0; i < got.size(); ++i) {
        INFO("step " << i);
        CHECK(std::abs(got[i] - expected[i]) <= bound(dtype) * expected[0]);
      }
    }
}

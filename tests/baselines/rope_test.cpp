// What each extension of rotary positions promises of its frequencies (docs/longer_context.md).
#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "tests/baselines/rope_of.h"

using namespace sublab;

namespace {

const std::vector<std::string> kTypes = {"linear",       "ntk",  "dynamic_ntk",
                                         "ntk_by_parts", "yarn", "llama3"};

struct Shape {
  int64_t head_dim, original_len;
  double base;
};
const std::vector<Shape> kShapes = {
    {8, 64, 1e4}, {32, 128, 1e4}, {64, 2048, 5e5}, {128, 4096, 1e4}, {128, 8192, 5e5}};

at::Tensor theta_of(const Shape& shape) {
  return rope_frequencies(shape.head_dim, shape.base, at::kDouble);
}

at::Tensor frequencies_of(const json& choice, const Shape& shape, int64_t n_tokens = 0) {
  return rope_of(choice, shape.head_dim, shape.base)->frequencies(n_tokens, at::kDouble);
}

std::vector<json> choices(double factor, const Shape& shape) {
  std::vector<json> out;
  for (const std::string& type : kTypes) {
    out.push_back(rope_choice(type, factor, shape.original_len));
    if (type != "ntk_by_parts" && type != "yarn") continue;
    out.push_back(out.back());
    out.back()["ramp"] = "paper";
    out.push_back(rope_choice(type, factor, shape.original_len));
    out.back()["truncate"] = false;
  }
  return out;
}

double largest(const at::Tensor& x) { return x.max().item<double>(); }

}  // namespace

TEST_CASE("a rope of factor 1 is RoPE", "[unit][context]") {
  for (const Shape& shape : kShapes)
    for (const json& choice : choices(1, shape)) {
      INFO(choice.dump() << " " << shape.head_dim);
      const auto rope = rope_of(choice, shape.head_dim, shape.base);
      const at::Tensor theta = theta_of(shape);
      // Of dynamic NTK s is n / L.
      const at::Tensor h = rope->frequencies(shape.original_len, at::kDouble);
      CHECK(largest(((h - theta) / theta).abs()) <= 2.3e-16);
      CHECK(rope->attention_factor() == 1);
      const auto plain = plain_rope(shape.head_dim, shape.base);
      const at::Tensor positions = at::arange(0, 3 * shape.original_len, 37, at::kLong);
      const auto ours = rope->angles(positions, shape.original_len, at::kFloat);
      CHECK(ours.cos.equal(plain->angles(positions, 0, at::kFloat).cos));
    }
}

TEST_CASE("scaled frequencies lie between theta / s and theta and fall", "[unit][context]") {
  for (const Shape& shape : kShapes)
    for (const double s : {1.5, 4.0, 16.0, 64.0})
      for (const json& choice : choices(s, shape)) {
        INFO(choice.dump() << " " << shape.head_dim);
        // Dynamic NTK is at s where s n / L - (s - 1) = s.
        const auto n =
            static_cast<int64_t>(std::floor(static_cast<double>(shape.original_len) * (2 - 1 / s)));
        const at::Tensor theta = theta_of(shape), h = frequencies_of(choice, shape, n);
        constexpr double kRounding = 1e-14;
        CHECK(largest(h / theta) <= 1 + kRounding);
        CHECK(largest(theta / s / h) <= 1 + kRounding);
        CHECK(largest(h.slice(0, 1) / h.slice(0, 0, -1)) <= 1 + kRounding);
      }
}

TEST_CASE("by parts, fast frequencies stay and slow ones are theta / s, exactly",
          "[unit][context]") {
  const Shape llama = {128, 4096, 1e4};
  const at::Tensor theta = theta_of(llama);
  for (const char* type : {"ntk_by_parts", "yarn"}) {
    json choice = rope_choice(type, 16, llama.original_len);
    at::Tensor h = frequencies_of(choice, llama);
    CHECK(h.slice(0, 0, 21).equal(theta.slice(0, 0, 21)));  // low = 20
    CHECK(h.slice(0, 46).equal(theta.slice(0, 46) / 16));   // high = 46
    CHECK(h.slice(0, 21, 46).lt(theta.slice(0, 21, 46)).all().item<bool>());
    CHECK(h.slice(0, 21, 46).gt(theta.slice(0, 21, 46) / 16).all().item<bool>());
    choice["ramp"] = "paper";
    h = frequencies_of(choice, llama);
    const at::Tensor turns = theta * (4096 / (2 * M_PI));
    CHECK(h.index({turns.ge(32)}).equal(theta.index({turns.ge(32)})));
    CHECK(h.index({turns.le(1)}).equal(theta.index({turns.le(1)}) / 16));
  }
  // llama3 is the paper's ramp between other ends.
  json parts = rope_choice("ntk_by_parts", 8, 8192);
  parts.update({{"ramp", "paper"}, {"beta_slow", 1}, {"beta_fast", 4}});
  CHECK(frequencies_of(rope_choice("llama3", 8, 8192), llama).equal(frequencies_of(parts, llama)));
}

TEST_CASE("the ramp of the code gives up to 3.04 times the frequency of the paper's",
          "[unit][context]") {
  const auto apart = [](const Shape& shape, double s) {
    json choice = rope_choice("yarn", s, shape.original_len);
    const at::Tensor code = frequencies_of(choice, shape);
    choice["ramp"] = "paper";
    const at::Tensor paper = frequencies_of(choice, shape);
    CHECK(largest(paper / code) < 1.05);  // where the ends of one are whole dimensions
    return largest(code / paper);
  };
  CHECK(apart({128, 4096, 1e4}, 16) == Approx(3.04).margin(0.005));
  CHECK(apart({32, 128, 1e4}, 16) == Approx(4.0).margin(0.05));
}

TEST_CASE("a ramp whose ends meet is a step", "[unit][context]") {
  // The slowest turn of 6 tokens lies before the first dimension: low = high = 0.
  const at::Tensor kept = kept_by_dimension(8, 1e4, 6, 1, 32, true, at::kDouble);
  CHECK(kept.equal(at::tensor({1.0, 0.0, 0.0, 0.0}, at::kDouble)));
}

TEST_CASE("NTK keeps the first frequency and divides the last by s", "[unit][context]") {
  for (const Shape& shape : kShapes) {
    const at::Tensor h = frequencies_of(rope_choice("ntk", 8, 0), shape), theta = theta_of(shape);
    CHECK(h[0].item<double>() == 1);
    CHECK(h[-1].item<double>() == Approx(theta[-1].item<double>() / 8).epsilon(1e-13));
  }
  CHECK_THROWS_WITH(rope_of(rope_choice("ntk", 2, 0), 2, 1e4), Catch::Contains("head_dim is 2"));
  CHECK_THROWS_WITH(rope_of(rope_choice("dynamic_ntk", 2, 8), 2, 1e4),
                    Catch::Contains("head_dim is 2"));
}

TEST_CASE("position interpolation is RoPE at positions p / s", "[unit][context]") {
  const Shape shape = {64, 2048, 1e4};
  const at::Tensor positions = at::arange(0, 8000, 7, at::kLong);
  const auto angles =
      rope_of(rope_choice("linear", 5, 0), 64, 1e4)->angles(positions, 0, at::kDouble);
  const at::Tensor real = at::outer(positions.to(at::kDouble) / 5, theta_of(shape));
  CHECK(max_difference(angles.cos, real.cos()) < 1e-12);
  CHECK(max_difference(angles.sin, real.sin()) < 1e-12);
}

TEST_CASE("dynamic NTK is RoPE up to L tokens, and goes on from there", "[unit][context]") {
  for (const Shape& shape : kShapes) {
    const int64_t l = shape.original_len;
    const json choice = rope_choice("dynamic_ntk", 4, l);
    const at::Tensor theta = theta_of(shape);
    for (const int64_t n : {int64_t{0}, int64_t{1}, l - 1, l})
      CHECK(frequencies_of(choice, shape, n).equal(theta));
    const at::Tensor next = frequencies_of(choice, shape, l + 1);
    const double change = largest(((next - theta) / theta).abs());
    CHECK(change > 0);
    CHECK(change <= 1.01 * 4 / static_cast<double>(l));
    // n = 2 L with s = 4: b (4 * 2 - 3)^(D / (D - 2)), whose last frequency is theta / 5.
    CHECK((theta[-1] / frequencies_of(choice, shape, 2 * l)[-1]).item<double>() ==
          Approx(5).epsilon(1e-12));
  }
  const at::Tensor positions = at::arange(0, 40, at::kLong);
  json choice = rope_choice("dynamic_ntk", 4, 16);
  const auto frozen = rope_of(choice, 8, 1e4), plain = rope_of("none", 8, 1e4);
  choice["growing"] = true;
  const auto growing = rope_of(choice, 8, 1e4);
  const at::Tensor as_trained = plain->angles(positions, 0, at::kDouble).cos;
  const at::Tensor of_40 = frozen->angles(positions, 40, at::kDouble).cos;
  CHECK(frozen->angles(positions, 0, at::kDouble).cos.equal(as_trained));
  CHECK(growing->angles(positions, 0, at::kDouble).cos.equal(of_40));
  CHECK(frozen->angles(positions.slice(0, 0, 9), 40, at::kDouble).cos.equal(of_40.slice(0, 0, 9)));
  CHECK(max_difference(of_40, as_trained) > 0.1);
}

TEST_CASE("YaRN's logits at equal positions are those without scaling times a^2",
          "[unit][context]") {
  CHECK(rope_of(rope_choice("yarn", 16, 64), 16, 1e4)->attention_factor() ==
        Approx(1.2773).margin(5e-5));
  CHECK(rope_of(rope_choice("yarn", 32, 64), 16, 1e4)->attention_factor() ==
        Approx(1.3466).margin(5e-5));
  for (const json& more : std::vector<json>{json::object(),
                                            {{"attention_factor", 0.8}},
                                            {{"mscale", 1.2}, {"mscale_all_dim", 0.7}}}) {
    json choice = rope_choice("yarn", 8, 64);
    choice.update(more);
    const auto rope = rope_of(choice, 16, 1e4);
    const auto angles = rope->angles(at::full({5}, 777, at::kLong), 0, at::kDouble);
    at::manual_seed(1);
    const at::Tensor q = at::randn({5, 2, 16}, at::kDouble), k = at::randn({5, 2, 16}, at::kDouble);
    const double a = rope->attention_factor();
    CHECK(max_difference((angles.rotated(q) * angles.rotated(k)).sum(2), a * a * (q * k).sum(2)) <
          1e-11);
  }
}

TEST_CASE("angles are fp32 for half precision and fp64 for fp64", "[unit][context]") {
  const at::Tensor positions = at::arange(100000, 100050, at::kLong);
  for (const std::string& type : kTypes) {
    INFO(type);
    const auto rope = rope_of(rope_choice(type, 4, 64), 16, 1e4);
    const auto angles = [&](at::ScalarType dtype) { return rope->angles(positions, 200, dtype); };
    CHECK(angles(at::kBFloat16).cos.equal(angles(at::kFloat).cos.to(at::kBFloat16)));
    CHECK(angles(at::kDouble).cos.scalar_type() == at::kDouble);
    CHECK(max_difference(angles(at::kFloat).sin, angles(at::kDouble).sin) < 0.02);
    CHECK(max_difference(angles(at::kFloat).sin, angles(at::kDouble).sin) > 0);
  }
}

namespace {

class CountedRope : public FrequencyRope {
 public:
  at::Tensor frequencies(int64_t, const at::TensorOptions& like) const override {
    ++n;
    return rope_frequencies(8, 1e4, like);
  }
  mutable std::atomic<int> n = 0;
};

}  // namespace

TEST_CASE("frequencies are made once per dtype, whoever asks", "[unit][context]") {
  const CountedRope rope;
  const auto ask = [&] {
    for (int64_t t = 0; t < 50; ++t) {
      rope.angles(at::full({1}, t, at::kLong), 0, at::kFloat);
      rope.angles(at::full({1}, t, at::kLong), 0, at::kDouble);
    }
  };
  std::thread other(ask);
  ask();
  other.join();
  CHECK(rope.n == 2);
}

TEST_CASE("ropes that cannot be are refused by name", "[unit][context]") {
  const auto refused = [](const json& choice, const std::string& why) {
    INFO(choice.dump());
    CHECK_THROWS_WITH(rope_of(choice, 16, 1e4), Catch::Contains(why));
  };
  for (const std::string& type : kTypes) {
    refused(type, "/model/rope: needs 'factor'");
    refused(rope_choice(type, 0.5, 64), "/model/rope/factor: 0.5 is out of range");
    if (type == "linear" || type == "ntk") continue;
    refused({{"type", type}, {"factor", 2}}, "/model/rope: needs 'original_context_len'");
  }
  const auto yarn = [](const json& more) {
    json out = rope_choice("yarn", 4, 64);
    out.update(more);
    return out;
  };
  refused({{"type", "linear"}, {"factor", 2}, {"original_context_len", 9}},
          "unknown key 'original_context_len'");
  refused(yarn({{"beta_fast", 1}}), "/model/rope/beta_fast: 1.0 must be above beta_slow");
  refused(yarn({{"beta_slow", 11}}), "/model/rope/beta_slow: 11.0 is no place on the ramp");
  refused(yarn({{"ramp", "code"}, {"ramps", 1}}), "unknown key 'ramps'; did you mean 'ramp'?");
  refused(yarn({{"ramp", "papers"}}), "did you mean 'paper'?");
  refused(yarn({{"ramp", "paper"}, {"truncate", false}}), "/model/rope/truncate: has no effect");
  refused(yarn({{"mscale", 1}}), "/model/rope/mscale: has no effect without the other");
  refused(yarn({{"mscale_all_dim", 1}}), "/model/rope/mscale_all_dim: has no effect without");
  refused(yarn({{"mscale", 1}, {"mscale_all_dim", 1}, {"attention_factor", 1}}),
          "/model/rope/mscale: has no effect where attention_factor is given");
  json llama3 = rope_choice("llama3", 4, 64);
  llama3["high_freq_factor"] = 1;
  refused(llama3, "/model/rope/high_freq_factor: 1.0 must be above low_freq_factor");
  refused("yam", "unknown rope 'yam'; did you mean 'yarn'?");
}

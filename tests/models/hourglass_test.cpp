// Hourglass against a form written from its equations, and its groups at white space.
#include <catch2/catch.hpp>

#include "baselines/architectures/token_groups.h"
#include "experiments/audit/audit.h"
#include "models/parts/partial_attention.h"
#include "tests/models/ladder_models.h"

using namespace sublab;

namespace {

const std::vector<std::string> kShortenings = {"average", "linear", "attention"},
                               kUpsamplings = {"repeat", "linear", "attention"};

/// What a rate is made of, from a model's weights.
struct NaiveRate {
  at::Tensor weight(const std::string& name) const {
    return parameter_of(model, "model.rates.1." + name + ".weight");
  }
  at::Tensor norm(const at::Tensor& x, const std::string& name) const {
    return rms_norm_naive(x, weight(name), 1e-5);
  }
  /// Queries and keys with their positions; each query sees the keys that are not behind it.
  at::Tensor attend(const std::string& name, const at::Tensor& q_in, const at::Tensor& kv_in,
                    const at::Tensor& q_at, const at::Tensor& k_at) const {
    const auto heads = [&](const at::Tensor& of, const std::string& map, const at::Tensor& at) {
      const at::Tensor made = at::linear(of, weight(name + map)).view({of.size(0), -1, 8});
      return map == ".attention.v_proj"
                 ? made
                 : plain_rope(8, 10000)->angles(at, 0, made.options()).rotated(made);
    };
    const at::Tensor hidden = k_at.unsqueeze(0).gt(q_at.unsqueeze(1));
    const at::Tensor out = attend_block_naive(heads(q_in, ".attention.q_proj", q_at),
                                              heads(kv_in, ".attention.k_proj", k_at),
                                              heads(kv_in, ".attention.v_proj", k_at), hidden)
                               .out;
    return at::linear(out.reshape({q_in.size(0), -1}), weight(name + ".attention.o_proj"));
  }
  at::Tensor fed(const std::string& name, const at::Tensor& a) const {
    const at::Tensor h = norm(a, name + ".mlp_norm");
    return a + at::linear(at::silu(at::linear(h, weight(name + ".mlp.gate_proj"))) *
                              at::linear(h, weight(name + ".mlp.up_proj")),
                          weight(name + ".mlp.down_proj"));
  }
  const LanguageModel& model;
};

/// Hourglass of one rate over one row, as the paper has it: a shift of `shift` tokens, then pieces
/// of k.
at::Tensor naive_hourglass(const LanguageModel& model, const json& config, const Batch& batch,
                           int64_t k, int64_t shift) {
  at::NoGradGuard no_grad;
  const BlockConfig sizes{.d_model = 32, .n_heads = 4, .d_ff = 88};
  const NaiveRate rate{model};
  const int64_t n = batch.tokens.size(0), d = 32, n_groups = (n + k - 1) / k;
  const at::Tensor positions = at::arange(n);
  at::Tensor x = through_blocks(model, "model.stages.0.layers", 1, sizes, model.embed(batch.tokens),
                                positions);
  const auto pieces = [&](const at::Tensor& of) {
    return at::constant_pad_nd(of, {0, 0, shift, n_groups * k - n}, 0)
        .slice(0, 0, n_groups * k)
        .view({n_groups, k, d});
  };
  const auto back = [&](const at::Tensor& y) {
    if (config.at("upsampling") == "repeat") return y.repeat_interleave(k, 0).slice(0, 0, n);
    return at::linear(y, rate.weight("upsample.linear")).view({n_groups * k, d}).slice(0, 0, n);
  };
  // Group j ends with token j k + k - 1 - shift.
  const at::Tensor ends = at::arange(n_groups) * k + k - 1 - shift;
  at::Tensor y;
  if (config.at("shortening") == "average") y = pieces(x).mean(1);
  if (config.at("shortening") == "linear")
    y = at::linear(pieces(x).flatten(1), rate.weight("shorten.linear"));
  if (config.at("shortening") == "attention") {
    const at::Tensor h = rate.norm(x, "shorten.input_norm");
    const at::Tensor s = rate.norm(pieces(h).mean(1), "shorten.query_norm");
    y = rate.fed("shorten", s + rate.attend("shorten", s, h, ends, positions));
  }
  y = through_blocks(model, "model.stages.1.layers", 2, sizes, y, ends);
  at::Tensor u;
  if (config.at("upsampling") == "attention") {
    const at::Tensor h = rate.norm(y, "upsample.input_norm");
    const at::Tensor s = x + rate.norm(back(h), "upsample.query_norm");
    u = rate.fed("upsample", s + rate.attend("upsample", s, h, positions, ends));
  } else {
    u = back(y);
  }
  x = x + rate.norm(u, "norm");
  x = through_blocks(model, "model.stages.2.layers", 1, sizes, x, positions);
  return rms_norm_naive(x, parameter_of(model, "model.norm.weight"), 1e-5);
}

}  // namespace

TEST_CASE("hourglass is what its equations say, for each way of resampling", "[numerics]") {
  at::manual_seed(3);
  for (const std::string& shortening : kShortenings)
    for (const std::string& upsampling : kUpsamplings)
      for (const int64_t k : {2, 3, 5})
        for (const int64_t n : {1, 7, 15}) {
          INFO(shortening << ", " << upsampling << ", " << k << ", " << n);
          const json config =
              hourglass("1@1 2@" + std::to_string(k) + " 1@1", shortening, upsampling);
          const auto model = small_model(config, at::kDouble);
          const Batch batch = random_batch({n});
          const at::Tensor got = hidden_of(*model, batch);
          CHECK(max_difference(got, naive_hourglass(*model, config, batch, k, k - 1)) < 1e-11);
          CHECK(max_difference(got, steps_of(*model, batch.tokens,
                                             std::vector<int64_t>(static_cast<size_t>(n), 1))) <
                1e-11);
        }
}

TEST_CASE("a shift by k-1 is what it takes, and what there is", "[numerics]") {
  at::manual_seed(4);
  for (const std::string& shortening : kShortenings)
    for (const std::string& upsampling : kUpsamplings)
      CHECK(leak_of(
                *small_model(hourglass("1@1 1@2 1@6 1@2 1@1", shortening, upsampling), at::kDouble),
                14) == 0);
  // A token less, and the equations look one ahead.
  const json config = hourglass("1@1 2@4 1@1", "linear", "repeat");
  const auto model = small_model(config, at::kDouble);
  const Batch batch = random_batch({12});
  Batch changed = batch;
  changed.tokens = batch.tokens.clone();
  changed.tokens[5] = (batch.tokens[5] + 1).remainder(kSmallVocab);
  for (const int64_t shift : {3, 2}) {
    const at::Tensor moved = (naive_hourglass(*model, config, changed, 4, shift) -
                              naive_hourglass(*model, config, batch, 4, shift))
                                 .abs()
                                 .amax(1)
                                 .gt(1e-12);
    CHECK(moved.nonzero()[0].item<int64_t>() == (shift == 3 ? 5 : 4));
  }
}

TEST_CASE("groups may end at white space: steps, batches, audit", "[contract]") {
  at::manual_seed(5);
  for (const char* shortening : {"average", "attention"})
    for (const char* upsampling : {"repeat", "attention"}) {
      INFO(shortening << ", " << upsampling);
      json config = hourglass("1@1 1@4 1@8 1@4 1@1", shortening, upsampling);
      config["boundary_ids"] = {40, 3, 7, 3, 11, 20, 31, 50, 58};
      const auto make = [&] { return small_model(config, at::kDouble); };
      const auto model = make();
      const Batch batch = random_batch({23, 1, 9});
      const at::Tensor got = hidden_of(*model, batch);
      for (int64_t b = 0; b < 3; ++b) {
        const at::Tensor tokens = batch.tokens.slice(0, batch.rows->begin(b),
                                                     batch.rows->begin(b) + batch.rows->length(b));
        const at::Tensor own =
            got.slice(0, batch.rows->begin(b), batch.rows->begin(b) + batch.rows->length(b));
        const int64_t n = tokens.size(0);
        CHECK(max_difference(own, hidden_of(*model, {tokens, Rows::contiguous({n}), {}})) < 1e-11);
        CHECK(max_difference(own, steps_of(*model, tokens, std::vector<int64_t>(n, 1))) < 1e-11);
        if (n > 8) CHECK(max_difference(own, steps_of(*model, tokens, {2, 5, n - 7})) < 1e-11);
      }
      const AuditReport report = audit_model({make}, AuditSettings::brief());
      INFO(report.verdict);
      CHECK(report.as_expected());
    }
  // Mean of the tokens since the last boundary.
  const at::Tensor x = at::arange(12, at::kDouble).view({6, 2}),
                   tokens = at::tensor({1, 9, 1, 9, 9, 1}, at::kLong);
  OpenGroups memory(1, 0, 2, 1, x.options());
  const auto part = [&](int64_t begin, int64_t end) {
    const RowsPtr rows = Rows::contiguous({end - begin}, {begin});
    const TokenGroups groups =
        boundary_groups(*rows, tokens.slice(0, begin, end).contiguous(), {9}, &memory, at::kCPU);
    return group_means(x.slice(0, begin, end), groups, &memory).select(1, 0).clone();
  };
  CHECK(part(0, 3).equal(at::tensor(std::vector<double>{0, 2}, at::kDouble)));
  CHECK(part(3, 6).equal(at::tensor(std::vector<double>{5, 8}, at::kDouble)));
  CHECK(memory.n_groups == std::vector<int64_t>{4});
  CHECK(memory.open[0][0].item<double>() == 10);
}

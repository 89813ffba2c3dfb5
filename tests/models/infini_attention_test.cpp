// Infini-attention against a token-by-token recurrence, against what it must be where its gate is
// at its ends, and its memory by its rules.
#include "baselines/architectures/infini_attention.h"

#include <catch2/catch.hpp>

#include "tests/models/small_models.h"

using namespace sublab;
using namespace sublab::infini_transformer;

namespace {

constexpr int64_t kHeads = 4, kWidth = 6;

/// A layer's attention over random heads, in fp64.
struct Layer {
  AttentionSettings settings;
  RowsPtr rows;
  at::Tensor gate = at::randn({kHeads}, at::kDouble);
  AttentionHeads heads{};

  Layer(AttentionSettings settings, const std::vector<int64_t>& lengths, int64_t kv_heads)
      : settings(settings), rows(Rows::contiguous(lengths)) {
    const auto random = [&](int64_t n) {
      return at::randn({rows->n_tokens(), n, kWidth}, at::kDouble);
    };
    heads = {random(kHeads), random(kv_heads), random(kv_heads)};
  }
  RopeAngles angles() const {
    return plain_rope(kWidth, 1e4)->angles(rows->positions(), 0, heads.q_NHK.options());
  }
  at::Tensor operator()() const {
    const AttentionParts parts{nullptr, local_attention(), nullptr};
    const Run run;
    const LevelContext level{.rows = rows, .angles = angles(), .parts = &parts, .run = &run};
    return InfiniAttention(settings, {gate}).whole_rows(heads, {.at = level});
  }
};

at::Tensor elu_plus_one(const at::Tensor& x) { return at::where(x > 0, x + 1, x.exp()); }

/// One head of one row as the paper has it, a token at a time: q, k, v [T, K], rotated ones too.
at::Tensor by_recurrence(const AttentionSettings& settings, const at::Tensor& q,
                         const at::Tensor& k, const at::Tensor& v, const at::Tensor& rotated_q,
                         const at::Tensor& rotated_k, double beta) {
  const int64_t n_tokens = q.size(0), n = settings.segment_len;
  const double gate = 1 / (1 + std::exp(-beta));
  at::Tensor M = at::zeros({kWidth, kWidth}, at::kDouble), z = at::zeros({kWidth}, at::kDouble);
  const auto read = [&](const at::Tensor& x) {
    const double sum = x.dot(z).item<double>();
    return sum > 0 ? at::mv(M.t(), x) / sum : at::zeros({kWidth}, at::kDouble);
  };
  std::vector<at::Tensor> out{at::empty({0, kWidth}, at::kDouble)};
  for (int64_t begin = 0; begin < n_tokens; begin += n) {
    const int64_t end = std::min(begin + n, n_tokens);
    for (int64_t t = begin; t < end; ++t) {
      const at::Tensor keys = rotated_k.slice(0, begin, t + 1);
      const at::Tensor logits = at::mv(keys, rotated_q[t]) / std::sqrt(double(kWidth));
      const at::Tensor near = at::mv(v.slice(0, begin, t + 1).t(), logits.softmax(0));
      const double share = begin == 0 && !settings.scales_first ? 1 : 1 - gate;
      out.push_back((gate * read(elu_plus_one(q[t])) + share * near).unsqueeze(0));
    }
    at::Tensor more = at::zeros_like(M), sums = at::zeros_like(z);
    for (int64_t t = begin; t < end; ++t) {
      const at::Tensor key = elu_plus_one(k[t]);
      more += at::outer(key, settings.rule.delta ? v[t] - read(key) : v[t]);
      sums += key;
    }
    M += more, z += sums;
  }
  return at::cat(out);
}

at::Tensor by_recurrence(const Layer& layer) {
  const at::Tensor rotated_q = layer.angles().rotated(layer.heads.q_NHK),
                   rotated_k = layer.angles().rotated(layer.heads.k_NGK);
  const int64_t group = kHeads / layer.heads.k_NGK.size(1);
  std::vector<at::Tensor> heads;
  for (int64_t h = 0; h < kHeads; ++h) {
    std::vector<at::Tensor> rows;
    for (int64_t b = 0; b < layer.rows->n_rows(); ++b) {
      const auto of = [&](const at::Tensor& x, int64_t head) {
        const int64_t begin = layer.rows->begin(b);
        return x.select(1, head).slice(0, begin, begin + layer.rows->length(b));
      };
      rows.push_back(by_recurrence(layer.settings, of(layer.heads.q_NHK, h),
                                   of(layer.heads.k_NGK, h / group),
                                   of(layer.heads.v_NGK, h / group), of(rotated_q, h),
                                   of(rotated_k, h / group), layer.gate[h].item<double>()));
    }
    heads.push_back(at::cat(rows));
  }
  return at::stack(heads, 1);
}

}  // namespace

TEST_CASE("infini-attention is its recurrence: both rules, groups, ragged rows", "[numerics]") {
  at::manual_seed(3);
  for (const bool delta : {false, true})
    for (const bool scales_first : {false, true})
      for (const int64_t kv_heads : {1, 2, 4})
        for (const std::vector<int64_t>& lengths :
             std::vector<std::vector<int64_t>>{{20, 20}, {13}, {10, 0, 1, 5, 17, 4, 6}, {3}}) {
          INFO(delta << scales_first << " " << kv_heads << " " << lengths.size());
          const Layer layer(
              {.segment_len = 5, .rule = {.delta = delta}, .scales_first = scales_first}, lengths,
              kv_heads);
          CHECK(max_difference(layer(), by_recurrence(layer)) < 1e-12);
        }
}

TEST_CASE("with the gate at the memory it is linear attention over earlier segments",
          "[numerics]") {
  at::manual_seed(4);
  Layer layer({.segment_len = 5, .rule = {}}, {23}, kHeads);
  layer.gate.fill_(1e4);
  const auto heads_first = [](const at::Tensor& x) { return x.transpose(0, 1); };
  const at::Tensor segment = at::arange(23).div(5, "floor");
  const at::Tensor earlier = segment.unsqueeze(1).gt(segment.unsqueeze(0)).to(at::kDouble);
  const at::Tensor weights = at::bmm(elu_plus_one(heads_first(layer.heads.q_NHK)),
                                     elu_plus_one(heads_first(layer.heads.k_NGK)).transpose(1, 2)) *
                             earlier;
  const at::Tensor expected =
      at::bmm(weights, heads_first(layer.heads.v_NGK)) / weights.sum(-1, true).clamp_min(1e-300);
  CHECK(max_difference(layer(), heads_first(expected)) < 1e-14);
}

TEST_CASE("the first segment is scaled by the gate, or not", "[numerics]") {
  at::manual_seed(6);
  const Layer layer({.segment_len = 8, .rule = {}}, {8, 5}, 2);
  Layer unscaled = layer;
  unscaled.settings.scales_first = false;
  const at::Tensor share = (1 - layer.gate.sigmoid()).unsqueeze(-1);
  CHECK(max_difference(layer(), unscaled() * share) < 1e-15);
}

TEST_CASE("delta is linear for a row's first fold, and not after it", "[numerics]") {
  at::manual_seed(7);
  const Layer linear({.segment_len = 5, .rule = {}}, {20}, 2);
  Layer delta = linear;
  delta.settings.rule.delta = true;
  const at::Tensor a = linear(), b = delta();
  CHECK(a.slice(0, 0, 10).equal(b.slice(0, 0, 10)));
  CHECK(max_difference(a.slice(0, 10), b.slice(0, 10)) > 1e-3);
}

TEST_CASE("what delta holds already it does not take again", "[numerics]") {
  at::manual_seed(8);
  // s(K) is positive: rows are orthogonal where each has one entry far above 0.
  const at::Tensor keys = at::full({1, kWidth, 1, kWidth}, -40.0, at::kDouble);
  for (int64_t t = 0; t < kWidth; ++t) keys[0][t][0][t] = 1.0 + static_cast<double>(t);
  const at::Tensor values = at::randn({1, kWidth, 1, kWidth}, at::kDouble);
  const MemoryRule delta{.delta = true}, linear;
  const Memory once = delta.folded({}, keys, values), twice = delta.folded(once, keys, values);
  CHECK(max_difference(once.M, twice.M) < 1e-12);
  CHECK(max_difference(linear.folded(once, keys, values).M, 2 * once.M) < 1e-12);
  CHECK(max_difference(twice.z, 2 * once.z) < 1e-12);
  CHECK(max_difference(delta.read(twice, keys), values / 2) < 1e-12);
}

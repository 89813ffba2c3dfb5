// Each scorer against what its page says, token by token.
#include <catch2/catch.hpp>
#include <cmath>

#include "models/parts/decoder.h"
#include "tests/models/small_models.h"

using namespace sublab;
using Catch::Contains;

namespace {

constexpr int64_t kWidth = 16;

/// A scorer and what it may look at: ragged rows of a random stream.
struct Bench {
  explicit Bench(const std::string& name, const json& settings = json::object())
      : entry(find_entry(parts.scorers, "scorer", name, "test")), decoder(small(), kSmallVocab, 1) {
    at::manual_seed(3);
    ScorerContext context;
    context.name = "s";
    context.d_model = kWidth;
    context.vocab_size = kSmallVocab;
    context.query_width = 16;
    context.retention = 0.5;
    context.initial = 1;
    context.tensor_options = decoder.ends.options();
    scorer = entry.make(settings, context);
    batch = random_batch({9, 1, 0, 14});
    x = at::randn({24, kWidth}).requires_grad_();
    probe = {at::randn({24, 4, 4}), at::randn({24, 2, 4})};
  }
  static DecoderConfig small() {
    DecoderConfig config;
    config.d_model = kWidth;
    config.n_layers = 0;
    config.resolve("test");
    return config;
  }
  at::Tensor scores(const at::Tensor& hints) const {
    const auto memory = scorer->new_memory(4);
    return scorer->scores(
        {{x, *batch.rows, batch.tokens, hints, 0, &decoder.ends, &probe}, Run{}, memory.get()});
  }
  at::Tensor scores() const { return scores(batch.hints); }

  Parts parts = built_in_catalog().parts;
  ScorerEntry entry;
  Decoder decoder;
  std::unique_ptr<Scorer> scorer;
  Batch batch;
  at::Tensor x;
  BlockProbe probe;
};

/// Calls `expected(b, t, i)` for token t of row b, the i-th of all, and compares.
template <class F>
void check_scores(const Bench& bench, const F& expected) {
  const at::Tensor scores = bench.scores().to(at::kDouble);
  const Rows& rows = *bench.batch.rows;
  REQUIRE(scores.sizes() == at::IntArrayRef({rows.n_tokens()}));
  for (int64_t b = 0; b < rows.n_rows(); ++b)
    for (int64_t t = 0; t < rows.length(b); ++t) {
      INFO("row " << b << " token " << t);
      const int64_t i = rows.begin(b) + t;
      CHECK(scores[i].item<double>() == Approx(expected(b, t, i)).epsilon(1e-4).margin(1e-6));
    }
}

/// softmax(head . norm(x_i)) in plain arithmetic.
at::Tensor prediction(const Bench& bench, int64_t i) {
  const at::Tensor x = bench.x.detach()[i].to(at::kDouble);
  const at::Tensor normed = x / (x.square().mean() + 1e-5).sqrt();
  return at::mv(bench.decoder.ends.head_weight().detach().to(at::kDouble), normed).softmax(0);
}

/// Rows of `lengths` from `begin` tokens on, and which tokens of the whole rows they are.
std::pair<RowsPtr, at::Tensor> cut_rows(const Rows& rows, const std::vector<int64_t>& begin,
                                        const std::vector<int64_t>& lengths) {
  std::vector<int64_t> index;
  for (int64_t b = 0; b < rows.n_rows(); ++b)
    for (int64_t t = 0; t < lengths[b]; ++t) index.push_back(rows.begin(b) + begin[b] + t);
  return {Rows::contiguous(lengths, begin), at::tensor(index, at::kLong)};
}

/// Calls `step(rows, index)` for both parts of `rows`, cut behind token `cut`.
template <class F>
void for_two_steps(const Rows& rows, int64_t cut, const F& step) {
  std::vector<int64_t> zero(rows.n_rows(), 0), first, second;
  for (const int64_t n : rows.lengths())
    first.push_back(std::min(cut, n)), second.push_back(n - first.back());
  for (const auto& [begin, take] : {std::pair(zero, first), std::pair(first, second)}) {
    const auto [part, index] = cut_rows(rows, begin, take);
    step(*part, index);
  }
}

}  // namespace

TEST_CASE("surprisal is -log p of the token by the row before", "[unit]") {
  const Bench bench("surprisal");
  check_scores(bench, [&](int64_t, int64_t t, int64_t i) {
    const int64_t token = bench.batch.tokens[i].item<int64_t>();
    return t == 0 ? std::log(kSmallVocab)
                  : -std::log(prediction(bench, i - 1)[token].item<double>());
  });
}

TEST_CASE("entropy is that of what the row before predicts", "[unit]") {
  const Bench bench("entropy");
  check_scores(bench, [&](int64_t, int64_t t, int64_t i) {
    if (t == 0) return std::log(double(kSmallVocab));
    const at::Tensor p = prediction(bench, i - 1);
    return -(p * p.log()).sum().item<double>();
  });
}

TEST_CASE("attention is what a token receives from itself and those after it", "[unit]") {
  const Bench bench("attention");
  const at::Tensor q = bench.probe.q_NHK.to(at::kDouble), k = bench.probe.k_NGK.to(at::kDouble);
  check_scores(bench, [&](int64_t b, int64_t t, int64_t i) {
    const Rows& rows = *bench.batch.rows;
    double sum = 0;
    for (int64_t u = i; u < rows.begin(b) + rows.length(b); ++u)
      for (int64_t h = 0; h < 4; ++h) {
        double total = 0, own = 0;
        for (int64_t s = rows.begin(b); s <= u; ++s) {
          const double e = std::exp(q[u][h].dot(k[s][h / 2]).item<double>() / 2);  // sqrt(K) = 2
          total += e;
          if (s == i) own = e;
        }
        sum += own / total;
      }
    return sum / static_cast<double>(4 * (rows.length(b) - t));
  });
}

TEST_CASE("attention in chunks of queries is that of the whole row", "[numerics]") {
  constexpr int64_t kTokens = 1100;  // the logits of a row exceed a chunk
  Bench bench("attention");
  bench.batch = random_batch({kTokens});
  bench.x = at::randn({kTokens, kWidth});
  bench.probe = {at::randn({kTokens, 4, 4}), at::randn({kTokens, 2, 4})};
  const at::Tensor q = bench.probe.q_NHK.to(at::kDouble).transpose(0, 1),
                   k = bench.probe.k_NGK.to(at::kDouble).transpose(0, 1).repeat_interleave(2, 0);
  const at::Tensor later = at::ones({kTokens, kTokens}, at::kBool).triu(1);
  const at::Tensor p = (at::bmm(q, k.transpose(1, 2)) / 2).masked_fill(later, -INFINITY).softmax(2);
  const at::Tensor expected = p.mean(0).sum(0) / at::arange(kTokens, 0, -1, at::kDouble);
  CHECK(max_difference(bench.scores(), expected) < 1e-6);
}

TEST_CASE("the probe of a block sees the logits that its attention sees, a key bias too",
          "[unit]") {
  at::NoGradGuard no_grad;
  DecoderConfig config = Bench::small();
  config.n_layers = 1;
  const Decoder decoder(config, kSmallVocab, 1);
  const RowsPtr rows = Rows::contiguous({6});
  const Run run;
  LevelContext level = decoder.blocks.level(rows, run, nullptr);
  const at::Tensor x = at::randn({6, kWidth}), bias = at::randn({6});
  const auto logits = [&](const at::Tensor& key_bias) {
    BlockProbe probe;
    level.key_bias = key_bias;
    decoder.blocks.pass(0, x, level, nullptr, &probe);
    const double width = static_cast<double>(probe.q_NHK.size(2));
    return at::bmm(probe.q_NHK.transpose(0, 1), probe.k_NGK.permute({1, 2, 0})) / std::sqrt(width);
  };
  CHECK(max_difference(logits(bias), logits({}) + bias) < 1e-5);
}

TEST_CASE("recency counts the tokens that follow, frequency those of the text, the oracle reads",
          "[unit]") {
  const Bench recency("recency");
  check_scores(recency, [&](int64_t b, int64_t t, int64_t) {
    return static_cast<double>(t + 1 - recency.batch.rows->length(b));
  });

  const Bench frequency("frequency");
  check_scores(frequency, [](int64_t, int64_t, int64_t) { return std::log(kSmallVocab); });
  const Batch text = random_batch({40}), more = random_batch({3, 7});
  frequency.scorer->prepare({text, text});
  frequency.scorer->prepare({text, more});  // starts anew
  check_scores(frequency, [&](int64_t, int64_t, int64_t i) {
    const at::Tensor all = at::cat({text.tokens, more.tokens});
    const auto n = all.eq(frequency.batch.tokens[i]).sum().item<double>();
    return -std::log((n + 1) / (50.0 + kSmallVocab));
  });
  REQUIRE(frequency.scorer->buffers().size() == 1);
  CHECK(frequency.scorer->buffers()[0].name == "s.counts");

  const Bench oracle("oracle");
  check_scores(oracle, [&](int64_t, int64_t, int64_t i) {
    return token_hint(oracle.batch.tokens[i].item<int64_t>());
  });
  CHECK_THROWS_WITH(oracle.scores({}), Contains("'oracle' reads which tokens matter"));
}

TEST_CASE("the learned scorer divides by the root mean square when asked to", "[unit]") {
  const json options = {{"init_std", 0.3}, {"input", "raw"}};
  json normed = options;
  normed["input"] = "normed";
  const Bench raw("learned", options), bench("learned", normed);
  const at::Tensor w = bench.scorer->parameters()[0].tensor.detach()[0];
  const auto dot = [&](int64_t i) { return bench.x.detach()[i].dot(w).item<double>(); };
  check_scores(raw, [&](int64_t, int64_t, int64_t i) { return dot(i); });
  check_scores(bench, [&](int64_t, int64_t, int64_t i) {
    return dot(i) / std::sqrt(bench.x.detach()[i].square().mean().item<double>() + 1e-5);
  });
}

TEST_CASE("no scorer but those that weigh reaches the gradient", "[unit]") {
  for (const auto& entry : built_in_catalog().parts.scorers) {
    INFO(entry.name);
    CHECK(Bench(entry.name).scores().requires_grad() == entry.weighs);
  }
}

TEST_CASE("scorers that remember go on where a row was cut", "[unit]") {
  size_t n = 0;
  for (const auto& entry : built_in_catalog().parts.scorers) {
    const Bench bench(entry.name);
    if (!bench.scorer->new_memory(1)) continue;
    ++n;
    INFO(entry.name);
    const at::Tensor whole = bench.scores();
    for (int64_t cut = 0; cut <= 14; ++cut) {
      const auto memory = bench.scorer->new_memory(4);
      const bool hashes = entry.name == "random";
      CHECK(memory->n_bytes() == (hashes ? 4 * 8 : 0));
      for_two_steps(*bench.batch.rows, cut, [&](const Rows& rows, const at::Tensor& index) {
        const at::Tensor x = bench.x.index_select(0, index),
                         tokens = bench.batch.tokens.index_select(0, index);
        const at::Tensor got =
            bench.scorer->scores({{x, rows, tokens, at::Tensor(), 0, &bench.decoder.ends, nullptr},
                                  Run{},
                                  memory.get()});
        CHECK(max_difference(got, whole.index_select(0, index)) < 1e-5);
      });
      CHECK(memory->n_bytes() == (hashes ? 4 * 8 : 4 * kWidth * 4));
    }
  }
  CHECK(n == 3);
}

TEST_CASE("models that remember decide the same for every cut", "[contract]") {
  at::NoGradGuard no_grad;
  for (const char* scorer : {"surprisal", "entropy", "learned", "random", "random_places"})
    for (const char* selector : {"threshold", "causal_quantile", "expert_threshold"}) {
      INFO(scorer << " " << selector);
      at::manual_seed(4);
      const auto model = small_model({{"architecture", "subllm"},
                                      {"structure", "T(T(T)T)T"},
                                      {"retention", 0.5},
                                      {"scorer", scorer},
                                      {"evaluate_selector", selector}},
                                     at::kDouble);
      model->calibrate({random_batch({40, 40})});
      const Batch batch = random_batch({15, 1, 0, 8});
      RecordedKeeps keeps;
      Run whole;
      whole.recorded = &keeps;
      const at::Tensor expected = run_model(*model, batch, nullptr, whole);
      for (int64_t cut = 0; cut <= 15; ++cut) {
        const auto state = model->new_state(4, 4);
        RecordedKeeps stepped;
        Run run;
        run.mode = Mode::step;
        run.recorded = &stepped;
        for_two_steps(*batch.rows, cut, [&](const Rows& rows, const at::Tensor& index) {
          const Batch part =
              continue_rows(*state, batch.tokens.index_select(0, index), rows.lengths());
          CHECK(max_difference(run_model(*model, part, state.get(), run),
                               expected.index_select(0, index)) < 1e-10);
        });
        CHECK(stepped.decided == keeps.decided);
      }
    }
}

TEST_CASE("the ledger counts the logit lens, tied head or not", "[contract]") {
  for (const bool tied : {false, true})
    for (const char* scorer : {"surprisal", "entropy"}) {
      const auto model = small_model({{"architecture", "subllm"},
                                      {"structure", "T(T(T)T)T"},
                                      {"retention", 0.5},
                                      {"tied_head", tied},
                                      {"scorer", scorer}});
      Ledger ledger;
      model->add_cost(CostShape::whole_rows(2, 16), ledger);
      double flops = 0;
      for (const LedgerLine& line : ledger.lines())
        if (line.part == "scorer") flops += line.flops_causal;
      CHECK(flops == 2.0 * 32 * kSmallVocab * (32 + 16));  // parents: 32 tokens, then half of them
    }
}

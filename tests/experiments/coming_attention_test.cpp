// Parts of attention chosen by a study: ropes and cache policies; executions that are still to
// come, each a dummy that is added to the catalog as a real one would be.
#include <catch2/catch.hpp>

#include "tests/experiments/coming_systems.h"
#include "tests/models/sketches/over_ranks.h"
#include "tests/models/sketches/swapped_parts.h"
#include "tests/thread_group.h"

using namespace sublab;
using Catch::Contains;

namespace {

Catalog with_attention() {
  Catalog out = built_in_catalog();
  out.parts.executions.push_back(
      entry_of<ExecutionEntry, NoSettings, HeadsExecutor>("heads", "as Ulysses", "sketch"));
  out.parts.executions.push_back(
      entry_of<ExecutionEntry, NoSettings, TurningExecutor>("turning", "as a ring", "sketch"));
  return out;
}

Coming llama_with(const json& changes) {
  json model = changes;
  model["architecture"] = "llama";
  return {with_attention(), coming_study(model)};
}

/// Keeps nothing of the past.
struct Cacheless : SwappedDecoder {
  Cacheless(const NoSettings&, int64_t vocab_size, const Initial&)
      : SwappedDecoder(vocab_size, plain()) {}
};

/// Which tokens of each row of `length` a rank holds.
at::Tensor share_of(const std::string& layout, int64_t n_rows, int64_t length, int64_t rank,
                    int64_t ranks) {
  std::vector<at::Tensor> out;
  for (int64_t b = 0; b < n_rows; ++b) {
    const auto part = [&](int64_t i, int64_t parts) {
      const int64_t n = length / parts;
      return at::arange(b * length + i * n, b * length + (i + 1) * n, at::kLong);
    };
    if (layout == "contiguous") out.push_back(part(rank, ranks));
    if (layout == "striped")
      out.push_back(at::arange(b * length + rank, (b + 1) * length, ranks, at::kLong));
    if (layout == "zigzag")
      out.push_back(at::cat({part(rank, 2 * ranks), part(2 * ranks - 1 - rank, 2 * ranks)}));
  }
  return at::cat(out);
}

}  // namespace

TEST_CASE("a study chooses a rope with its settings", "[contract][context]") {
  const json rope = {{"type", "yarn"}, {"factor", 4}, {"original_context_len", 16}};
  const Coming plain = llama_with({}), coming = llama_with({{"rope", rope}});
  CHECK(coming.config.model.at("rope").at("ramp") == "code");
  coming.exercise();
  const Batch batch = random_batch({30});
  CHECK(max_difference(whole_rows(*coming.make(), batch), whole_rows(*plain.make(), batch)) > 1e-6);
  CHECK_THROWS_WITH(llama_with({{"rope", {{"type", "yarn"}, {"factr", 2}}}}),
                    Contains("study/model/rope: unknown key 'factr'; did you mean 'factor'?"));
}

TEST_CASE("a rope is frozen on the declared length of the request", "[contract][context]") {
  const json rope = {{"type", "dynamic_ntk"}, {"factor", 4}, {"original_context_len", 16}};
  const Coming plain = llama_with({}), coming = llama_with({{"rope", rope}});
  coming.exercise();
  const auto model = coming.make(), without = plain.make();
  const Batch batch = random_batch({30});
  CHECK(max_difference(whole_rows(*model, batch, 16), whole_rows(*without, batch)) < 1e-12);
  const at::Tensor whole = whole_rows(*model, batch, 64);
  CHECK(max_difference(whole, whole_rows(*without, batch)) > 1e-6);
  CHECK(max_difference(in_steps(*model, batch, {10, 1, 1, 18}, 64), whole) < 1e-10);
}

TEST_CASE("policies evict token by token, in whole rows as in steps, and are counted",
          "[contract]") {
  const auto full = llama_with({}).make();
  for (const json& policy :
       std::vector<json>{{{"type", "streaming_llm"}, {"sinks", 2}, {"window", 3}},
                         {{"type", "h2o"}, {"heavy", 2}, {"recent", 3}}}) {
    INFO(policy.dump());
    const Coming coming = llama_with({{"kv_policy", policy}});
    const Record record = coming.exercise();
    const Metric* active = record.find("active_fraction");
    REQUIRE(active);
    CHECK(active->conditions.at("mechanism") == "tokens_evicted");
    CHECK(*active->value == Approx((32.0 - 5) / 32));
    const auto model = coming.make();
    const Batch batch = random_batch({30});
    const at::Tensor whole = whole_rows(*model, batch);
    CHECK(max_difference(in_steps(*model, batch, {7, 1, 1, 21}), whole) < 1e-10);
    const at::Tensor expected = whole_rows(*full, batch);  // all the same while all is seen
    CHECK(max_difference(whole.slice(0, 0, 6), expected.slice(0, 0, 6)) < 1e-10);
    CHECK(max_difference(whole.slice(0, 8), expected.slice(0, 8)) > 1e-6);
    Run run;
    run.mode = Mode::step;
    const auto state = model->new_state(1, 4);
    run_model(*model, continue_rows(*state, batch.tokens, {30}), state.get(), run);
    CHECK(static_cast<DecoderState&>(*state).caches.of_block.front()->n_tokens(0) == 5);
  }
}

TEST_CASE("a policy of the prompt's end is cut dependent, and acts where answers are generated",
          "[contract]") {
  const json policy = {{"type", "h2o_prompt"}, {"heavy_ratio", 0.2}, {"recent_ratio", 0.1}};
  const Coming coming = llama_with({{"kv_policy", policy}});
  const Record record = coming.exercise();
  CHECK(coming.audit().verdict == "causal, cut dependent");
  CHECK(*record.find("active_fraction")->value == 0);  // whole rows are read as prompts
  const auto model = coming.make(), full = llama_with({}).make();
  const Batch batch = random_batch({30});
  CHECK(max_difference(whole_rows(*model, batch), whole_rows(*full, batch)) < 1e-12);
  const at::Tensor stepped = in_steps(*model, batch, {20, 1, 9}),
                   dense = in_steps(*full, batch, {20, 1, 9});
  CHECK(max_difference(stepped.slice(0, 0, 20), dense.slice(0, 0, 20)) < 1e-10);
  CHECK(max_difference(stepped.slice(0, 20), dense.slice(0, 20)) > 1e-6);
}

TEST_CASE("a policy goes with a cache, and computes on its own rank", "[contract]") {
  const json policy = {{"type", "streaming_llm"}, {"window", 8}};
  CHECK_THROWS_WITH(llama_with({{"kv_policy", policy}, {"execution", "heads"}}),
                    Contains("study/model/execution: 'heads' has no effect with kv_policy "
                             "'streaming_llm', which computes attention on its own rank"));
  CHECK_THROWS_WITH(llama_with({{"kv_policy", {{"type", "streaming_llm"}, {"window", 0}}}}),
                    Contains("study/model/kv_policy/window"));
  CHECK_THROWS_WITH(llama_with({{"kv_policy", {{"type", "h2o"}, {"heavi", 3}}}}),
                    Contains("did you mean 'heavy'?"));
  Catalog catalog = with_attention();
  catalog.architectures.push_back(
      architecture_entry<Cacheless, NoSettings>("cacheless", "no attention", "sketch"));
  CHECK_THROWS_WITH(
      catalog.architectures.back().resolve({{"kv_policy", policy}}, "/model", catalog.parts),
      Contains("/model/kv_policy: cacheless has no KV cache that a policy could act "
               "on; leave kv_policy out"));
}

TEST_CASE("executions alone on their rank are local attention", "[contract]") {
  const Batch batch = random_batch({20, 1, 13});
  const at::Tensor expected = whole_rows(*llama_with({}).make(), batch);
  for (const char* execution : {"heads", "turning"}) {
    INFO(execution);
    const Coming coming = llama_with({{"execution", execution}});
    coming.exercise();
    CHECK(whole_rows(*coming.make(), batch).equal(expected));
  }
}

TEST_CASE("ranks that share rows, or their tokens, take the step of one rank", "[contract]") {
  const Coming alone = llama_with({{"n_kv_heads", 4}});
  const auto expected = alone.make();
  const StepResult step = alone.train(*expected);
  const LabelledBatch all = make_batch(alone.rows(), 0, 4);
  const int64_t n = alone.rows().context_len();
  struct Way {
    std::string execution, layout;  // layout "": each rank has rows of its own
    int64_t ranks;
  };
  for (const Way& way : std::vector<Way>{{"local", "", 2},
                                         {"local", "", 4},
                                         {"heads", "contiguous", 2},
                                         {"heads", "zigzag", 4},
                                         {"turning", "striped", 2},
                                         {"turning", "striped", 4},
                                         {"turning", "zigzag", 4}}) {
    const int64_t ranks = way.ranks;
    INFO(way.execution << " " << way.layout << " " << ranks);
    const Coming coming = llama_with({{"execution", way.execution}, {"n_kv_heads", 4}});
    std::vector<std::unique_ptr<LanguageModel>> models(ranks);
    std::vector<StepResult> results(ranks);
    for (auto& model : models) model = coming.make();
    on_ranks(ranks, [&](const Group& group) {
      const bool own_rows = way.layout.empty();
      const int64_t rank = group.rank();
      LabelledBatch share =
          make_batch(coming.rows(), own_rows ? 4 / ranks * rank : 0, own_rows ? 4 / ranks : 4);
      if (!own_rows) {
        const at::Tensor index = share_of(way.layout, 4, n, rank, ranks);
        share.batch = {all.batch.tokens.index_select(0, index),
                       all.batch.rows->arranged(index, std::vector<int64_t>(4, n / ranks)),
                       {}};
        share.labels = all.labels.index_select(0, index);
        share.n_labels = share.labels.ge(0).sum().item<int64_t>();
      }
      AdamW optimizer(models[rank]->parameters(), coming.config.train);
      results[rank] = optimizer_step(*models[rank], optimizer, {share},
                                     {.learning_rate = 1e-2, .group = &group});
    });
    for (int64_t rank = 0; rank < ranks; ++rank) {
      CHECK(results[rank].loss_nats == Approx(step.loss_nats).epsilon(1e-12));
      CHECK(results[rank].gradient_norm == Approx(step.gradient_norm).epsilon(1e-9));
      CHECK(results[rank].n_tokens == step.n_tokens);
      const auto own = models[rank]->parameters(), theirs = expected->parameters();
      for (size_t i = 0; i < own.size(); ++i) {
        INFO(own[i].name);
        CHECK(max_difference(own[i].tensor, theirs[i].tensor) < 1e-7);
      }
    }
  }
}

TEST_CASE("a group of threads does what a group promises", "[unit]") {
  constexpr int64_t kRanks = 4;
  std::vector<std::string> wrong(kRanks);
  on_ranks(kRanks, [&](const Group& group) {
    const int64_t r = group.rank();
    const auto expect = [&](const char* what, bool is_so) {
      if (!is_so) wrong[r] += what;
    };
    const auto numbers = [](std::vector<int64_t> values) { return at::tensor(values, at::kLong); };
    at::Tensor sum = numbers({r, 1}), sent = numbers({r});
    group.all_reduce_sum_(sum);
    expect("sum ", sum.equal(numbers({6, 4})));
    group.broadcast_(sent, 2);
    expect("broadcast ", sent.equal(numbers({2})));
    expect("gather ", group.all_gather(numbers({r})).equal(numbers({0, 1, 2, 3})));
    const at::Tensor pieces = numbers({0, 1, 2, 3}).unsqueeze(1) + 10 * r;
    expect("to all ",
           group.all_to_all(pieces).flatten().equal(numbers({r, 10 + r, 20 + r, 30 + r})));
    expect("turn ",
           group.exchange(numbers({r}), (r + 1) % 4, (r + 3) % 4).equal(numbers({(r + 3) % 4})));
    const auto half = group.split(r % 2);
    expect("split ", half->size() == 2 && half->rank() == r / 2);
    at::Tensor inner = numbers({r});
    half->all_reduce_sum_(inner);
    expect("sum of a part ", inner.equal(numbers({r % 2 == 0 ? 2 : 4})));
  });
  for (const std::string& rank : wrong) CHECK(rank.empty());
}

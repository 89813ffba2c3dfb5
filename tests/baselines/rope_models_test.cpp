// Extensions of rotary positions inside models: decoding, causality, the audit, checkpoints.
#include <catch2/catch.hpp>
#include <set>

#include "core/npy.h"
#include "experiments/audit/audit.h"
#include "experiments/checkpoint/checkpoint.h"
#include "tests/baselines/rope_of.h"
#include "tests/experiments/coming_systems.h"
#include "tests/temporary_folder.h"

using namespace sublab;
using Catch::Contains;

namespace {

/// The examples of every rope that stretches positions, in every causal architecture that rotates.
std::vector<ModelCase> stretched() {
  std::vector<ModelCase> out;
  for (const ModelCase& each : model_cases(tree_catalog()))
    if (each.name.find(", rope ") != std::string::npos && each.entry->expects == "causal")
      out.push_back(each);
  return out;
}

bool grows(const ModelCase& each) { return each.config.at("rope").value("growing", false); }

json small_llama(const json& rope) {
  return {{"architecture", "llama"}, {"n_layers", 2}, {"n_kv_heads", 2}, {"rope", rope}};
}

}  // namespace

TEST_CASE("stretched positions: steps are whole rows, and prefixes are theirs",
          "[contract][context]") {
  constexpr int64_t kDeclared = 250;
  std::set<std::string> hosts, ropes;
  at::manual_seed(3);
  for (const ModelCase& each : stretched()) {
    INFO(each.name);
    hosts.insert(each.config.at("architecture").get<std::string>());
    ropes.insert(each.config.at("rope").at("type").get<std::string>());
    const auto model = fitted_model(each, at::kDouble);
    const Batch batch = random_batch({90});  // further than the window of every example
    const at::Tensor whole = whole_rows(*model, batch, kDeclared);
    const at::Tensor steps = in_steps(*model, batch, {10, 1, 1, 53, 1, 24}, kDeclared);
    const Batch first{batch.tokens.slice(0, 0, 70), Rows::contiguous({70}),
                      batch.hints.defined() ? batch.hints.slice(0, 0, 70) : batch.hints};
    const at::Tensor prefix = whole_rows(*model, first, kDeclared);
    // What grows with its row is no function of the tokens before, which the audit says.
    CHECK((max_difference(steps, whole) < 1e-9) != grows(each));
    CHECK((max_difference(prefix, whole.slice(0, 0, 70)) < 1e-9) != grows(each));
  }
  for (const char* host : {"llama", "subllm"}) CHECK(hosts.contains(host));
  CHECK(ropes.size() == 6);
}

TEST_CASE("policies that evict rotate by what the request declared", "[contract][context]") {
  constexpr int64_t kDeclared = 250;
  at::manual_seed(5);
  const Batch batch = random_batch({90});
  const std::vector<json> policies = {{{"type", "streaming_llm"}, {"sinks", 2}, {"window", 20}},
                                      {{"type", "h2o"}, {"heavy", 10}, {"recent", 12}}};
  std::set<std::string> ropes;
  for (const ModelCase& each : stretched()) {
    if (each.config.at("architecture") != "llama" || grows(each)) continue;
    for (const json& policy : policies) {
      INFO(each.name << " " << policy.dump());
      ropes.insert(each.config.at("rope").at("type").get<std::string>());
      json config = small_llama(each.config.at("rope"));
      config["kv_policy"] = policy;
      const auto model = small_model(config, at::kDouble);
      const at::Tensor whole = whole_rows(*model, batch, kDeclared);
      CHECK(max_difference(in_steps(*model, batch, {10, 1, 1, 53, 1, 24}, kDeclared), whole) <
            1e-9);
      CHECK(max_difference(in_steps(*model, batch, std::vector<int64_t>(90, 1), kDeclared), whole) <
            1e-9);
    }
  }
  CHECK(ropes.contains("dynamic_ntk"));
  CHECK(ropes.contains("yarn"));
}

TEST_CASE("a stretched rope is another function", "[contract][context]") {
  at::manual_seed(4);
  const Batch batch = random_batch({90});
  const at::Tensor plain = whole_rows(*small_model(small_llama("none"), at::kDouble), batch, 250);
  for (const ModelCase& each : stretched()) {
    if (each.config.at("architecture") != "llama" || each.config.at("rope").at("type") == "none")
      continue;
    INFO(each.name);
    const auto model = small_model(small_llama(each.config.at("rope")), at::kDouble);
    CHECK(max_difference(whole_rows(*model, batch, 250), plain) > 1e-6);
  }
}

TEST_CASE("the audit says which rope depends on the length of a row", "[contract][context]") {
  const auto audited = [](const json& rope, bool declared) {
    const Catalog& catalog = tree_catalog();
    json given = small_llama(rope);
    given.update({{"d_model", 32}, {"n_heads", 4}});
    const json config = catalog.architecture("llama", "").resolve(given, "/model", catalog.parts);
    AuditSubject subject{[&] { return small_model(config); }};
    if (declared) subject.length_dependent_beyond = length_dependent_beyond(config, catalog.parts);
    return audit_model(subject, AuditSettings::brief());
  };
  json rope = rope_choice("dynamic_ntk", 4, 16);
  CHECK(audited(rope, true).verdict == "causal");
  CHECK(audited(rope_choice("yarn", 4, 16), true).verdict == "causal");
  rope["growing"] = true;
  // Nobody who does not say so gets away with it.
  CHECK_FALSE(audited(rope, false).as_expected());
  const AuditReport report = audited(rope, true);
  CHECK(report.verdict == "causal, length dependent beyond 16 tokens");
  CHECK(report.as_expected());
  for (const char* name : {"prefix = whole row", "rows independent", "stepwise = whole row"}) {
    const auto check = std::find_if(report.checks.begin(), report.checks.end(),
                                    [&](const AuditCheck& each) { return each.name == name; });
    REQUIRE(check != report.checks.end());
    CHECK_THAT(check->note, Contains("rows of more than 16 tokens, as declared: margin "));
    CHECK(check->margin < 1e-10);
  }
}

TEST_CASE(
    "an imported YaRN checkpoint decodes beyond its window as its full run, and as "
    "transformers",
    "[contract][context]") {
  const fs::path folder = fs::path(SUBLAB_SOURCE_ROOT) / "tests/parity/data/rope_yarn";
  const Checkpoint checkpoint = load_checkpoint(folder, tree_catalog());
  CHECK(checkpoint.info.model.at("rope") == json{{"type", "yarn"},
                                                 {"factor", 4.0},
                                                 {"original_context_len", 16},
                                                 {"beta_fast", 32.0},
                                                 {"beta_slow", 1.0},
                                                 {"ramp", "code"},
                                                 {"truncate", true},
                                                 {"attention_factor", nullptr},
                                                 {"mscale", nullptr},
                                                 {"mscale_all_dim", nullptr}});
  const auto ids = parse_json(read_file(folder / "tokens.json"), "").get<std::vector<int64_t>>();
  const auto n = static_cast<int64_t>(ids.size());
  REQUIRE(n > 2 * 16);
  const Batch batch{at::tensor(ids, at::kLong), Rows::contiguous({n})};
  const at::Tensor whole = whole_rows(*checkpoint.model, batch, 64);
  std::vector<int64_t> singles(static_cast<size_t>(n - 12), 1);
  singles.insert(singles.begin(), 12);
  const at::Tensor steps = in_steps(*checkpoint.model, batch, singles, 64);
  CHECK(max_difference(steps, whole) < 1e-4);
  const NpyArray expected = read_npy(folder / "logits.npy");
  const at::Tensor logits = at::mm(steps, checkpoint.model->head_weight().t());
  const at::Tensor theirs = at::tensor(expected.as_doubles(), at::kDouble).view(logits.sizes());
  CHECK(max_difference(logits, theirs) <= 1e-4);
}

TEST_CASE("a checkpoint keeps its rope, also where transformers has no word for it",
          "[contract][context]") {
  for (const ModelCase& each : stretched()) {
    INFO(each.name);
    const TemporaryFolder place;
    CheckpointInfo info;
    info.model = each.config;
    info.vocab_size = kSmallVocab, info.context_len = 16;
    const auto model = fitted_model(each);
    save_checkpoint(place.path / "ckpt", *model, info, nullptr);
    const Checkpoint again = load_checkpoint(place.path / "ckpt", tree_catalog());
    CHECK(again.info.model.at("rope") == each.config.at("rope"));
    CHECK(again.info.model.at("rope_theta") == each.config.at("rope_theta"));
    at::manual_seed(2);
    const Batch batch = random_batch({80});
    CHECK(whole_rows(*again.model, batch, 90).equal(whole_rows(*model, batch, 90)));
  }
}

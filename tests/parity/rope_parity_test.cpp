// Frequencies and attention factors of transformers (make_rope_reference.py), and the two spellings
// of its configuration.
#include <catch2/catch.hpp>

#include "models/interchange/hf_config.h"
#include "tests/baselines/rope_of.h"

using namespace sublab;
using Catch::Contains;

namespace {

const fs::path kRopeData = fs::path(SUBLAB_SOURCE_ROOT) / "tests/parity/data";

/// A config.json of a Llama with these keys of rotary positions.
json hf_llama(const json& keys) {
  json out = {{"model_type", "llama"},  {"vocab_size", 83},
              {"hidden_size", 32},      {"intermediate_size", 40},
              {"num_hidden_layers", 1}, {"num_attention_heads", 2},
              {"rms_norm_eps", 1e-6},   {"max_position_embeddings", 64}};
  out.update(keys);
  return out;
}

/// model.rope and model.rope_theta of it.
json rope_in(const json& keys, const json& own = json::object()) {
  const json model = read_hf_config(hf_llama(keys), "c", own).model;
  return {{"rope", model.value("rope", json("none"))}, {"rope_theta", model.at("rope_theta")}};
}

json resolved_llama(const json& rope) {
  return tree_catalog()
      .architecture("llama", "")
      .resolve({{"architecture", "llama"},
                {"d_model", 32},
                {"n_heads", 2},
                {"n_layers", 1},
                {"d_ff", 40},
                {"rope", rope}},
               "/model", tree_catalog().parts);
}

/// What is written for a rope, of which a program that knows no more than transformers reads
/// `keys`.
json exported(const json& model) { return to_hf_config({model, 83, 48, 0, 0}); }

}  // namespace

TEST_CASE("frequencies and attention factors are those of transformers", "[numerics][context]") {
  const json reference = parse_json(read_file(kRopeData / "rope.json"), "rope.json");
  std::map<std::string, int> n_of_type;
  for (const json& each : reference.at("cases")) {
    INFO(each.at("config").dump());
    const json read = rope_in(each.at("config"));
    const int64_t head_dim = each.at("config").at("head_dim");
    const auto rope = rope_of(read.at("rope"), head_dim, read.at("rope_theta"));
    const at::Tensor ours = rope->frequencies(each.at("n_tokens"), at::kFloat);
    const auto expected = each.at("frequencies").get<std::vector<double>>();
    const at::Tensor theirs = at::tensor(expected, at::kDouble);
    REQUIRE(ours.numel() == theirs.numel());
    CHECK(((ours.to(at::kDouble) - theirs) / theirs).abs().max().item<double>() < 3e-6);
    CHECK(rope->attention_factor() ==
          Approx(each.at("attention_factor").get<double>()).epsilon(1e-12));
    ++n_of_type[each.at("config").at("rope_parameters").at("rope_type")];
  }
  for (const char* type : {"linear", "dynamic", "yarn", "llama3"}) CHECK(n_of_type[type] >= 3);
}

TEST_CASE("both spellings of a scaled rope are read", "[unit][context]") {
  const json rope = {{"factor", 4}, {"original_max_position_embeddings", 16}};
  const auto with = [&](const json& more) {
    json out = rope;
    out.update(more);
    return out;
  };
  const json five =
      rope_in({{"rope_parameters", with({{"rope_type", "yarn"}, {"rope_theta", 500}})}});
  CHECK(five.at("rope").at("type") == "yarn");
  CHECK(five.at("rope").at("original_context_len") == 16);
  CHECK(five.at("rope_theta") == 500);
  for (const char* key : {"type", "rope_type"}) {
    CHECK(rope_in({{"rope_theta", 500}, {"rope_scaling", with({{key, "yarn"}})}}) == five);
    CHECK(rope_in({{"rope_theta", 500}, {"rope_parameters", with({{key, "yarn"}})}}) == five);
  }
  // What transformers 5 makes of keys that are absent or beside.
  const auto yarn = [&](const json& inside, const json& beside = json::object()) {
    json keys = {{"rope_parameters", {{"rope_type", "yarn"}}}};
    keys["rope_parameters"].update(inside);
    keys.update(beside);
    return rope_in(keys).at("rope");
  };
  CHECK(yarn({{"factor", 2}}).at("original_context_len") == 64);
  CHECK(yarn(rope, {{"original_max_position_embeddings", 32}}).at("original_context_len") == 32);
  CHECK(yarn(with({{"factor", nullptr}})).at("factor") == 4);
  CHECK(yarn(with({{"beta_fast", nullptr}, {"beta_slow", 0}})).at("beta_fast") == 32);
  CHECK_FALSE(yarn(with({{"mscale", 0.7}})).contains("mscale"));
  CHECK_FALSE(yarn(with({{"mscale", 1}, {"mscale_all_dim", 1}, {"attention_factor", 1.5}}))
                  .contains("mscale"));
  CHECK(rope_in({{"rope_scaling", {{"type", "dynamic"}, {"factor", 2}}}}).at("rope") ==
        json{{"type", "dynamic_ntk"}, {"factor", 2}, {"original_context_len", 64}});
}

TEST_CASE("scaled ropes that cannot be are refused when they are read", "[unit][context]") {
  const std::vector<std::pair<json, std::string>> refused = {
      {{{"rope_type", "longrope"}, {"factor", 2}},
       "rope type \"longrope\", which is not supported"},
      {{{"rope_type", "linear"}}, "has no factor"},
      {{{"rope_type", "linear"}, {"factor", 0.5}}, "/factor 0.5 is below 1"},
      {{{"rope_type", "dynamic"}, {"factor", "2"}}, "/factor: expected a number"},
      {{{"rope_type", "yarn"}, {"factor", 4}, {"attention_factor", 0}}, "/attention_factor"},
      {{{"rope_type", "yarn"}, {"factor", nullptr}, {"original_max_position_embeddings", 128}},
       "/max_position_embeddings 64 is shorter than the window that it is to extend, 128 tokens"},
      {{{"rope_type", "llama3"}, {"factor", 4}}, "has no low_freq_factor"}};
  for (const auto& [rope, expected] : refused) {
    INFO(rope.dump());
    CHECK_THROWS_WITH(rope_in({{"rope_parameters", rope}}), Contains(expected));
  }
}

TEST_CASE("a written rope is read back, by others too", "[unit][context]") {
  size_t n = 0;
  for (const RopeEntry& entry : tree_catalog().parts.ropes)
    for (const Example& example : entry.examples) {
      json choice = example.config;
      choice["type"] = entry.name;
      INFO(choice.dump());
      const json model = resolved_llama(choice), config = exported(model);
      CHECK(config.at("rope_theta") == config.at("rope_parameters").at("rope_theta"));
      const auto without_base = [](json rope) {
        rope.erase("rope_theta");
        return rope;
      };
      if (config.contains("rope_scaling"))
        CHECK(config.at("rope_scaling") == without_base(config.at("rope_parameters")));
      // This program: its own words, as long as nobody changed the others'.
      CHECK(read_hf_config(config, "c", model).model.value("rope", json("none")) ==
            (entry.name == "none" ? json("none") : model.at("rope")));
      if (entry.name == "yarn" && choice.value("ramp", "") == "paper") {
        CHECK_THROWS_WITH(read_hf_config(config, "c"), Contains("rope type \"yarn_paper\""));
        continue;
      }
      // Another one: the same angles.
      ++n;
      const json theirs = read_hf_config(config, "c").model;
      const json read = theirs.value("rope", json("none"));
      const auto ours = rope_of(choice, 16, 10000),
                 other = rope_of(read, 16, theirs.at("rope_theta"));
      CHECK(max_difference(ours->frequencies(90, at::kDouble),
                           other->frequencies(90, at::kDouble)) < 1e-15);
      CHECK(ours->attention_factor() == other->attention_factor());
    }
  CHECK(n >= 9);
  json config = exported(resolved_llama(rope_choice("yarn", 4, 16)));
  CHECK(config.at("max_position_embeddings") == 64);
  config["rope_parameters"]["factor"] = config["rope_scaling"]["factor"] = 2;
  CHECK(read_hf_config(config, "c", resolved_llama(rope_choice("yarn", 4, 16)))
            .model.at("rope")
            .at("factor") == 2);
}

// Folders in the layout of SUBLLM's published code (make_subllm_reference.py) open as they are,
// with its logits, and are written again tensor for tensor.
#include "models/interchange/subllm_layout.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <set>

#include "core/npy.h"
#include "experiments/checkpoint/checkpoint.h"
#include "tests/models/small_models.h"
#include "tests/parity/subllm_folders.h"

using namespace sublab;
using Catch::Contains;

namespace {

at::Tensor logits_of(const LanguageModel& model, const std::vector<int64_t>& ids) {
  const Batch batch{at::tensor(ids, at::kLong),
                    Rows::contiguous({static_cast<int64_t>(ids.size())})};
  return at::mm(run_model(model, batch, nullptr, Run{}), model.head_weight().t()).contiguous();
}

double difference(const at::Tensor& ours, const NpyArray& expected) {
  REQUIRE(expected.shape == ours.sizes().vec());
  return max_difference(ours, at::tensor(expected.as_doubles(), at::kDouble).view(ours.sizes()));
}

void check_refused(const Copy& folder, const std::string& expected) {
  CHECK_THROWS_WITH(load_checkpoint(folder.path, built_in_catalog()), Contains(expected));
}

CheckpointInfo info_of(const json& model) {
  CheckpointInfo info;
  info.model = model;
  info.vocab_size = kSmallVocab;
  info.context_len = 24;
  info.boundary_id = 3;
  return info;
}

}  // namespace

TEST_CASE("folders of SUBLLM's published code give its logits", "[numerics]") {
  at::NoGradGuard no_grad;
  const Catalog catalog = built_in_catalog();
  for (const std::string name : {"one_level", "nested", "llama"}) {
    INFO(name);
    const auto ids =
        parse_json(read_file(kData / name / "tokens.json"), "tokens").get<std::vector<int64_t>>();
    const NpyArray expected = read_npy(kData / name / "logits.npy");
    // Inside nested levels its prefill counts positions within the parent level.
    const json changes = name == "nested" ? json{{"positions", "level_local"}} : json::object();
    const Checkpoint checkpoint = load_checkpoint(kData / name, catalog, changes);
    CHECK(difference(logits_of(*checkpoint.model, ids), expected) <= 1e-4);
    CHECK(checkpoint.info.model.at("architecture") == (name == "llama" ? "llama" : "subllm"));
    CHECK(checkpoint.info.boundary_id == 1);
    if (name != "nested") continue;
    const Checkpoint composed = load_checkpoint(kData / name, catalog);
    CHECK(composed.info.model.at("positions") == "composed");
    CHECK(difference(logits_of(*composed.model, ids), expected) > 1e-3);
  }
}

TEST_CASE("its folders are written again as they were", "[unit]") {
  const Catalog catalog = built_in_catalog();
  for (const std::string name : {"one_level", "nested", "llama"}) {
    INFO(name);
    const TemporaryFolder folder;
    const Checkpoint read = load_checkpoint(kData / name, catalog);
    save_checkpoint(folder.path / "own", *read.model, read.info, nullptr);
    const Checkpoint own = load_checkpoint(folder.path / "own", catalog);
    save_checkpoint(folder.path / "back", *own.model, own.info, nullptr, Layout::subllm);
    CHECK(same_tensors(kData / name, folder.path / "back"));
    const json before = parse_json(read_file(kData / name / "config.json"), "before");
    const json after = parse_json(read_file(folder.path / "back/config.json"), "after");
    for (const auto& [key, value] : before.items())
      if (key != "qk_bias") CHECK(after.value(key, json()) == value);  // said by "bias" too
  }
}

TEST_CASE("its keys, files and dtype survive an import and an export", "[unit]") {
  const Catalog catalog = built_in_catalog();
  const Copy theirs("one_level");
  theirs.edit_config({{"pad_token_id", 7}, {"eos_token_id", {2, 9}}, {"dropout", 0.1}});
  write_file_durably(theirs.path / "generation_config.json", "{}");
  std::vector<std::vector<uint8_t>> halves;
  theirs.edit_tensors([&](Tensors& tensors) {
    for (auto& [name, tensor] : tensors) {
      if (name.ends_with("inv_freq")) continue;
      std::vector<uint8_t> half;  // the upper half of a float is a bfloat16
      for (size_t i = 0; i < tensor.bytes.size(); i += 4)
        half.insert(half.end(), {tensor.bytes[i + 2], tensor.bytes[i + 3]});
      halves.push_back(half);
      tensor = {"BF16", tensor.shape, halves.back()};
    }
  });
  const TemporaryFolder folder;
  const auto convert = [&](const fs::path& from, const fs::path& to, Layout layout) {
    convert_checkpoint(load_checkpoint(from, catalog), from, to, layout, [](const auto&) {});
  };
  convert(theirs.path, folder.path / "own", Layout::own);
  convert(folder.path / "own", folder.path / "back", Layout::subllm);
  CHECK(same_tensors(theirs.path, folder.path / "back"));
  CHECK(read_file(folder.path / "back/generation_config.json") == "{}");
  const json before = parse_json(read_file(theirs.path / "config.json"), "before");
  const json after = parse_json(read_file(folder.path / "back/config.json"), "after");
  for (const auto& [key, value] : before.items()) CHECK(after.value(key, json()) == value);
  CHECK(load_checkpoint(folder.path / "own", catalog).stop_ids == std::vector<int64_t>{2, 9});
}

TEST_CASE("a model of one's own comes back from the SUBLLM layout bit for bit", "[unit]") {
  at::NoGradGuard no_grad;
  const Catalog catalog = built_in_catalog();
  const std::vector<json> models = {
      {{"architecture", "subllm"},
       {"structure", "T(T(T)T(T))(T)"},
       {"scorer", {{"init_std", 0.3}}}},
      {{"architecture", "subllm"},
       {"structure", "T(T)"},
       {"tied_head", true},
       {"balancer_ramp", 0.3}},
      {{"architecture", "subllm"}, {"structure", "(T)(T)"}, {"retention", {0.7, 0.3}}},
      {{"architecture", "subllm"}, {"structure", "(T)"}, {"positions", "level_local"}},
      {{"architecture", "llama"}, {"n_layers", 3}, {"attention_bias", true}}};
  for (json given : models) {
    INFO(given.dump());
    given.update({{"d_model", 24}, {"n_heads", 3}});
    if (given["architecture"] == "subllm") given["preset"] = "published";
    const auto& entry = catalog.architecture(given.at("architecture"), "test");
    const json config = entry.resolve(given, "/model", catalog.parts);
    const auto model = entry.make(config, kSmallVocab, 5, catalog.parts);
    const TemporaryFolder folder;
    save_checkpoint(folder.path / "public", *model, info_of(config), nullptr, Layout::subllm);
    const Checkpoint back = load_checkpoint(folder.path / "public", catalog);
    CHECK(back.info.model == config);
    CHECK(back.info.boundary_id == 3);
    const auto theirs = back.model->parameters();
    for (size_t i = 0; i < theirs.size(); ++i)
      CHECK(theirs[i].tensor.equal(model->parameters()[i].tensor));
  }
}

TEST_CASE("a bypass scale is numbered by its ), a scorer by its (", "[unit]") {
  const Catalog catalog = built_in_catalog();
  const Checkpoint nested = load_checkpoint(kData / "nested", catalog);
  const auto tensors =
      subllm_layout_tensors(*nested.model, {nested.info.model, 0, 0, 0, 0, -1, true}, "test");
  const auto ours = nested.model->parameters();
  const auto is = [&](const std::string& theirs, const std::string& name) {
    for (const StoredTensor& tensor : tensors)
      for (const Parameter& parameter : ours)
        if (tensor.name == theirs && parameter.name == name)
          return tensor.parts[0].is_same(parameter.tensor);
    return false;
  };
  CHECK(is("decoder.downsamplers.0.to_scores.weight", "model.modules.0.scorer.weight"));
  CHECK(is("decoder.bypasses.0.bypass_scale", "model.modules.1.bypass_scale"));
  CHECK(is("decoder.bypasses.1.bypass_scale", "model.modules.0.bypass_scale"));
}

TEST_CASE("biases on queries and keys alone are zeros on values and outputs", "[unit]") {
  const Copy folder("llama");
  folder.edit_config({{"bias", false}, {"qk_bias", nullptr}});  // the class's default is true
  check_refused(folder, "is not a tensor of this configuration");
  folder.edit_tensors([](Tensors& tensors) {
    std::erase_if(tensors, [](const auto& item) {
      return item.first.ends_with("v_proj.bias") || item.first.ends_with("out_proj.bias");
    });
  });
  const Checkpoint checkpoint = load_checkpoint(folder.path, built_in_catalog());
  for (const Parameter& parameter : checkpoint.model->parameters())
    if (parameter.name.ends_with("bias"))
      CHECK((parameter.tensor.count_nonzero().item<int64_t>() == 0) ==
            (parameter.name.ends_with("v_proj.bias") || parameter.name.ends_with("o_proj.bias")));
}

TEST_CASE("a config of the SUBLLM layout is read with its class's rules", "[unit]") {
  const json sound = parse_json(read_file(kData / "one_level/config.json"), "config");
  CHECK(is_subllm_layout(sound));
  CHECK_FALSE(is_subllm_layout({{"model_type", "llama"}, {"hidden_size", 8}}));
  const auto read = [&](const json& edits) {
    json config = sound;
    config.merge_patch(edits);
    return from_subllm_layout(config, "c");
  };
  CHECK(read(json::object()).model.at("retention") == 0.64);
  CHECK(read({{"downsampling_factor", {1.5625}}}).model.at("retention") == 0.64);
  CHECK(read({{"downsampling_factor", {2, 1.25}}}).model.at("retention") == json({0.5, 0.8}));
  CHECK(read({{"downsampling_factor_denominator", nullptr}}).model.at("retention") == 0.5);
  CHECK(read({{"tie_weights", nullptr}}).model.at("tied_head") == true);
  CHECK(read({{"num_embeddings", nullptr}, {"vocab_size", 31}}).vocab_size == 31);
  const std::vector<std::pair<json, std::string>> refused = {
      {{{"norm_name", "layernorm"}}, "/norm_name \"layernorm\" is not supported; expected"},
      {{{"mlp_name", "gelu"}}, "/mlp_name"},
      {{{"attn_type", "sparse"}}, "expected \"vanilla\" or \"flash\""},
      {{{"scale_token_embedding", true}}, "/scale_token_embedding true"},
      {{{"qkv_pack", true}}, "/qkv_pack"},
      {{{"rope_theta", 5e5}}, "/rope_theta"},
      {{{"quantization_config", {{"bits", 4}}}}, "/quantization_config"},
      {{{"hidden_size", 9}}, "/hidden_size 9 disagrees with /decoder_embed_dim 8"},
      {{{"decoder_layers", 5}}, "/decoder_layers 5 disagrees with structure"},
      {{{"decoder_layers", "four"}}, "/decoder_layers: expected a whole number"},
      {{{"structure", "T(T"}}, "leaves 1 '(' open"},
      {{{"structure", nullptr}}, "has no structure"},
      {{{"downsampling_factor_denominator", "64%"}}, "\"64%\" is no retention"},
      {{{"downsampling_factor_denominator", "1.0"}}, "\"1.0\" is no retention"},
      {{{"downsampling_factor", {2, 2, 2}}}, "lists 3 values, but structure has 2 '('"},
      {{{"downsampling_factor", {0.5}}}, "/downsampling_factor/0"}};
  for (const auto& [edits, expected] : refused) CHECK_THROWS_WITH(read(edits), Contains(expected));
}

TEST_CASE("what the SUBLLM layout cannot express is refused by name", "[unit]") {
  const Catalog catalog = built_in_catalog();
  const auto refuse = [&](json given, const std::string& expected, double threshold = 0) {
    INFO(given.dump());
    given.update({{"architecture", "subllm"}, {"d_model", 16}, {"preset", "published"}});
    if (!given.contains("structure")) given["structure"] = "T(T)";
    const auto& entry = catalog.architecture("subllm", "test");
    const json config = entry.resolve(given, "/model", catalog.parts);
    const auto model = entry.make(config, kSmallVocab, 5, catalog.parts);
    for (const Buffer& buffer : model->buffers()) at::Tensor(buffer.tensor).fill_(threshold);
    const TemporaryFolder folder;
    CHECK_THROWS_WITH(
        save_checkpoint(folder.path / "p", *model, info_of(config), nullptr, Layout::subllm),
        Contains(expected));
    CHECK(fs::is_empty(folder.path));
  };
  refuse({{"scorer", "norm"}}, "/model/scorer {\"type\":\"norm\"}");
  refuse({{"scorer", {{"input", "normed"}}}}, "\"input\":\"normed\"");
  refuse({{"gate", "one"}}, "/model/gate {\"type\":\"one\"}");
  refuse({{"evaluate_selector", {{"threshold", 0.1}}}}, "/model/evaluate_selector");
  refuse({{"retention", 1}}, "/model/retention 1");
  refuse({{"attention_log_weight", true}}, "/model/attention_log_weight");
  refuse({{"n_heads", 4}, {"n_kv_heads", 2}}, "/model/n_kv_heads 2");
  refuse({{"head_dim", 6}}, "/model/head_dim 6");
  refuse({{"rope_theta", 5e5}}, "/model/rope_theta");
  refuse({{"norm_epsilon", 1e-6}}, "/model/norm_epsilon");
  refuse({{"mlp_bias", true}}, "/model/mlp_bias");
  refuse({}, "model.modules.0.threshold is not 0", 0.2);
}

TEST_CASE("every setting of subllm is said in the SUBLLM layout, refused, or of training",
          "[unit]") {
  const std::set<std::string> considered = {
      // said
      "architecture", "d_model", "n_layers", "n_heads", "d_ff", "tied_head", "attention_bias",
      "structure", "retention",
      // refused where it differs
      "n_kv_heads", "head_dim", "rope_theta", "norm_epsilon", "mlp_bias", "scorer", "gate",
      "evaluate_selector", "attention_log_weight",
      // how attention is computed and cached, which changes no function; rope is refused
      "rope", "execution", "kv_policy",
      // read as composed, the code computing both (docs/checkpoints.md)
      "positions",
      // of training
      "preset", "init_std", "embedding_std", "train_scorer", "train_selector", "retention_ramp",
      "schedule", "balancer", "balancer_min_abs", "balancer_max_abs", "balancer_strength",
      "balancer_probability_end", "balancer_ramp", "bypass_init", "bypass_low_start",
      "bypass_low_end", "bypass_ramp", "bypass_probability"};
  for (const FieldHelp& field : built_in_catalog().architecture("subllm", "test").describe()) {
    INFO(field.name);
    CHECK(considered.count(field.name) == 1);
  }
}

TEST_CASE("weights that disagree with the structure or are damaged are refused", "[unit]") {
  const std::string w = "decoder.downsamplers.1.to_scores.weight";
  const std::string frequency = "decoder.layers.2.self_attn.position.inv_freq";
  const Copy unexpected("one_level");
  unexpected.edit_config({{"structure", "T(T)TT"}});
  check_refused(unexpected, "bypasses.1.bypass_scale: is not a tensor of this configuration");
  const Copy missing("one_level");
  missing.edit_tensors([&](Tensors& tensors) { tensors.erase(w); });
  check_refused(missing, "has no tensor " + w);
  const Copy not_a_number("one_level");
  not_a_number.set(w, NAN);
  check_refused(not_a_number, w + ": holds NaN or infinity");
  const Copy rotated("one_level");
  rotated.set(frequency, 0.5F);
  check_refused(rotated, frequency + ": is not 10000^(-2i / head_dim)");
  rotated.edit_tensors([&](Tensors& tensors) {
    std::erase_if(tensors, [](const auto& item) { return item.first.ends_with("inv_freq"); });
  });
  CHECK_NOTHROW(load_checkpoint(rotated.path, built_in_catalog()));
  const Copy untied("nested");
  untied.set("decoder.output_projection.weight", 7);
  check_refused(untied, "is not the embedding, although tie_weights is true");
  const Copy wide("one_level");
  wide.edit_config({{"decoder_ffn_embed_dim", 11}});
  check_refused(wide, "swiglu.w12.weight: has shape [20, 8], the configuration wants [22, 8]");
  const Copy cut("one_level");
  fs::resize_file(cut.path / "model.safetensors", 5000);
  check_refused(cut, "is not a sound safetensors file");
  const Copy pickled("one_level");
  fs::rename(pickled.path / "model.safetensors", pickled.path / "pytorch_model.bin");
  check_refused(pickled, "pytorch_model.bin: is pickled by Python; write it as model.safetensors");
}

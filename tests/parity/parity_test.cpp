// Folders that transformers wrote (make_reference.py) open as they are, with its logits.
#include <catch2/catch.hpp>
#include <functional>
#include <map>

#include "core/npy.h"
#include "core/safetensors.h"
#include "experiments/checkpoint/checkpoint.h"
#include "models/interchange/hf_config.h"
#include "tests/temporary_folder.h"

using namespace sublab;

namespace {

const fs::path kData = fs::path(SUBLAB_SOURCE_ROOT) / "tests/parity/data";

/// Largest difference between the logits of the folder `model` and those that transformers gave
/// for the model `reference`.
double worst_difference(const fs::path& model, const std::string& reference) {
  at::NoGradGuard no_grad;
  const Checkpoint checkpoint = load_checkpoint(model, built_in_catalog());
  const auto ids = parse_json(read_file(kData / reference / "tokens.json"), "tokens")
                       .get<std::vector<int64_t>>();
  const Batch batch{at::tensor(ids, at::kLong),
                    Rows::contiguous({static_cast<int64_t>(ids.size())})};
  Run run;
  run.declared_length = batch.rows->n_tokens();  // transformers' dynamic rope goes by it
  const at::Tensor hidden = run_model(*checkpoint.model, batch, nullptr, run);
  const at::Tensor logits = at::mm(hidden, checkpoint.model->head_weight().t()).contiguous();
  const NpyArray expected = read_npy(kData / reference / "logits.npy");
  REQUIRE(expected.shape == logits.sizes().vec());
  const auto values = expected.as_doubles();
  const auto* ours = logits.const_data_ptr<float>();
  double worst = 0;
  for (size_t i = 0; i < values.size(); ++i) worst = std::max(worst, std::abs(values[i] - ours[i]));
  return worst;
}

}  // namespace

TEST_CASE("transformers' Llama folders give transformers' logits", "[numerics]") {
  int n = 0;
  for (const fs::path& folder : folder_entries(kData)) {
    if (!fs::is_directory(folder)) continue;
    ++n;
    INFO(folder.string());
    CHECK(worst_difference(folder, folder.filename().string()) <= 1e-4);
  }
  CHECK(n == 9);  // four of them with scaled positions, beyond their window
}

TEST_CASE("settings of transformers that this llama lacks are refused by name", "[unit]") {
  const json sound = parse_json(read_file(kData / "gqa_untied/config.json"), "config");
  CHECK(read_hf_config(sound, "c").model.at("n_kv_heads") == 2);
  const std::vector<std::pair<json, std::string>> refused = {
      {{{"model_type", "mistral"}}, "/model_type \"mistral\""},
      {{{"hidden_act", "gelu"}}, "/hidden_act \"gelu\""},
      {{{"hidden_act", "SiLU"}}, "/hidden_act \"SiLU\""},
      {{{"quantization_config", {{"bits", 4}}}}, "/quantization_config"},
      {{{"rope_scaling", {{"type", "longrope"}, {"factor", 2}}}}, "rope type \"longrope\""},
      {{{"rope_scaling", {{"type", "default"}, {"rope_type", "linear"}}}}, "has no factor"},
      {{{"rope_scaling", {{"rope_type", nullptr}}}}, "rope type null"},
      {{{"rope_scaling", "linear"}}, "/rope_scaling: expected an object"},
      {{{"rope_scaling", {{"type", "default"}, {"rope_theta", nullptr}}}}, "/rope_theta"},
      {{{"rope_parameters", {{"rope_type", "yarn"}}}}, "has no factor"},
      {{{"rope_parameters", {{"rope_type", "default"}}}, {"rope_theta", "500"}}, "/rope_theta"},
      {{{"rope_parameters", {{"full_attention", {{"rope_type", "default"}}}}}}, "full_attention"},
      {{{"partial_rotary_factor", 0.5}}, "partial_rotary_factor 0.5"},
      {{{"sliding_window", 4}}, "/sliding_window 4"},
      {{{"layer_types", {"sliding_attention", "full_attention"}}}, "/layer_types"},
      {{{"is_causal", false}}, "/is_causal false"},
      {{{"hidden_size", "wide"}}, "/hidden_size"},
      {{{"hidden_size", 32.0}}, "/hidden_size: expected a whole number, got 32.0"},
      {{{"num_hidden_layers", nullptr}}, "/num_hidden_layers: expected a whole number, got null"},
      {{{"head_dim", 0}}, "/head_dim"},
      {{{"num_key_value_heads", "2"}}, "/num_key_value_heads"},
      {{{"vocab_size", 83.0}}, "/vocab_size"},
      {{{"max_position_embeddings", "128"}}, "/max_position_embeddings"},
      {{{"rms_norm_eps", 1}}, "/rms_norm_eps"},
      {{{"tie_word_embeddings", 1}}, "/tie_word_embeddings"},
      {{{"attention_bias", nullptr}}, "/attention_bias"},
      {{{"bos_token_id", "1"}}, "/bos_token_id"},
      {{{"eos_token_id", {2, 3.0}}}, "/eos_token_id"}};
  for (const auto& [edit, expected] : refused) {
    json config = sound;
    config.update(edit);
    INFO(edit.dump());
    CHECK_THROWS_WITH(read_hf_config(config, "c"), Catch::Contains(expected));
  }
  json without = sound;
  without.erase("hidden_size");
  CHECK_THROWS_WITH(read_hf_config(without, "c"), Catch::Contains("has no hidden_size"));
}

TEST_CASE("keys of a Llama are read as transformers 5 reads them", "[unit]") {
  json sound = parse_json(read_file(kData / "gqa_untied/config.json"), "config");
  sound.erase("head_dim");
  sound.erase("rope_parameters");
  const auto read = [&](const json& edit) {
    json config = sound;
    config.update(edit);
    INFO(edit.dump());
    return read_hf_config(config, "c");
  };
  // Which rope_theta counts, as LlamaConfig(**edit).rope_parameters says (transformers 5.24).
  const std::vector<std::pair<json, double>> bases = {
      {json::object(), 10000},
      {{{"rope_theta", 500}}, 500},
      {{{"rope_theta", 500}, {"rope_parameters", {{"rope_type", "default"}}}}, 500},
      {{{"rope_theta", 500}, {"rope_parameters", {{"rope_theta", 700.0}}}}, 700},
      {{{"rope_theta", 500}, {"rope_scaling", nullptr}}, 500},
      {{{"rope_theta", 500}, {"rope_scaling", json::object()}}, 500},
      {{{"rope_theta", 500}, {"rope_scaling", {{"type", "default"}, {"rope_theta", 900}}}}, 900},
      {{{"rope_scaling", {{"rope_theta", 900}, {"factor", 4}}}}, 900},
      {{{"rope_scaling", {{"type", "linear"}, {"rope_type", "default"}}}}, 10000},
      {{{"rope_scaling", {{"type", "default"}}}, {"rope_parameters", {{"rope_theta", 700}}}},
       10000}};
  for (const auto& [edit, base] : bases) CHECK(read(edit).model.at("rope_theta") == base);
  CHECK(read({{"hidden_act", "swish"}, {"quantization_config", nullptr}}).vocab_size == 83);
  CHECK(read({{"num_key_value_heads", nullptr}}).model.at("n_kv_heads") == 4);
  CHECK(read({{"pretraining_tp", 2}, {"a_key_of_somebody", {1, 2}}}).context_len == 128);
  json silent = sound;
  for (const char* key : {"rms_norm_eps", "max_position_embeddings", "bos_token_id", "eos_token_id",
                          "architectures", "tie_word_embeddings"})
    silent.erase(key);
  const HfConfig defaults = read_hf_config(silent, "c");
  CHECK(defaults.model.at("norm_epsilon") == 1e-6);
  CHECK(defaults.context_len == 2048);
  CHECK(defaults.bos_id == 1);
  CHECK(defaults.eos_id == 2);
  CHECK(read({{"bos_token_id", nullptr}, {"eos_token_id", {2, 5}}}).bos_id == -1);
  CHECK(eos_ids({2, -1, 5}, "c") == std::vector<int64_t>{2, 5});
  CHECK(eos_ids(nullptr, "c").empty());
}

namespace {

using Tensors = std::map<std::string, TensorBytes>;

/// A copy of one of the folders with other tensors and other keys.
struct Edited : TemporaryFolder {
  Edited(const std::string& name, const std::function<void(Tensors&)>& edit,
         const json& keys = json::object()) {
    fs::copy(kData / name, path, fs::copy_options::recursive);
    const SafetensorsFile file(kData / name / "model.safetensors");
    Tensors tensors = file.tensors();
    edit(tensors);
    write_safetensors(path / "model.safetensors", tensors, {});
    json config = parse_json(read_file(path / "config.json"), "config");
    config.update(keys);
    write_file_durably(path / "config.json", config.dump());
  }
};

void rename(Tensors& tensors, const std::string& from, const std::string& to) {
  tensors[to] = tensors.at(from);
  tensors.erase(from);
}

}  // namespace

TEST_CASE("heads and names of tensors are taken as transformers 5 takes them", "[numerics]") {
  const auto nothing = [](Tensors&) {};
  const std::string embedding = "model.embed_tokens.weight", head = "lm_head.weight";
  const auto without_prefix = [](Tensors& tensors) {
    for (const auto& [name, bytes] : Tensors(tensors))
      if (name.starts_with("model.")) rename(tensors, name, name.substr(6));
  };
  // A head that is stored and differs stays apart, whatever the configuration says.
  const Edited untied("gqa_untied", nothing, {{"tie_word_embeddings", true}});
  CHECK(worst_difference(untied.path, "gqa_untied") <= 1e-4);
  CHECK(worst_difference(Edited("gqa_untied", without_prefix).path, "gqa_untied") <= 1e-4);
  CHECK(worst_difference(Edited("mha_tied", without_prefix).path, "mha_tied") <= 1e-4);
  const Edited head_alone("mha_tied", [&](Tensors& t) { rename(t, embedding, head); });
  CHECK(worst_difference(head_alone.path, "mha_tied") <= 1e-4);
  const Edited both("mha_tied", [&](Tensors& t) { t[head] = t.at(embedding); });
  CHECK(worst_difference(both.path, "mha_tied") <= 1e-4);
  const Edited twice("mha_tied", [&](Tensors& t) { t["norm.weight"] = t.at("model.norm.weight"); });
  CHECK_THROWS_WITH(load_checkpoint(twice.path, built_in_catalog()), Catch::Contains("twice"));
  const Edited headless("gqa_untied", [&](Tensors& t) { t.erase(head); });
  CHECK_THROWS_WITH(load_checkpoint(headless.path, built_in_catalog()),
                    Catch::Contains("has no tensor lm_head.weight"));
}

TEST_CASE("import and export leave what they do not understand as it is", "[unit]") {
  const Catalog catalog = built_in_catalog();
  const std::vector<std::pair<std::string, std::string>> others = {
      {"generation_config.json", "{\"eos_token_id\": [7, 2], \"top_k\": 50}"},
      {"tokenizer.json", "{ \"kept\":  1 }"},
      {"special_tokens_map.json", "{}"},
      {"chat_template.jinja", "{{ messages }}"}};
  for (const std::string name : {"mqa_biases_bf16", "sharded_fp16", "mha_tied"}) {
    INFO(name);
    const TemporaryFolder folder;
    fs::copy(kData / name, folder.path / "theirs");
    json config = parse_json(read_file(folder.path / "theirs/config.json"), "config");
    config.update({{"eos_token_id", {5, 2}}, {"pad_token_id", 0}, {"a_key", {{"of", "theirs"}}}});
    write_file_durably(folder.path / "theirs/config.json", config.dump());
    for (const auto& [file, text] : others) write_file_durably(folder.path / "theirs" / file, text);
    write_file_durably(folder.path / "theirs/pytorch_model.bin", "pickled");
    std::vector<std::string> left_out;
    const auto listen = [&](const std::string& each) { left_out.push_back(each); };
    const auto convert = [&](const std::string& from, const std::string& to) {
      convert_checkpoint(load_checkpoint(folder.path / from, catalog), folder.path / from,
                         folder.path / to, Layout::own, listen);
    };
    convert("theirs", "ours");
    convert("ours", "back");
    CHECK(left_out == std::vector<std::string>{"pytorch_model.bin"});
    json back = parse_json(read_file(folder.path / "back/config.json"), "back");
    back.erase("sublab");
    CHECK(back == config);
    for (const fs::path& file : folder_entries(folder.path / "theirs"))
      if (file.filename() != "config.json" && file.filename() != "pytorch_model.bin")
        CHECK(read_file(file) == read_file(folder.path / "back" / file.filename()));
    const Checkpoint read = load_checkpoint(folder.path / "back", catalog);
    CHECK(read.stop_ids == std::vector<int64_t>{5, 2, 7});
    CHECK(read.info.boundary_id == 1);
  }
}

// Every entry of the catalog gives the numbers that it gave before: training, evaluation, tasks and
// training rows, against tests/goldens/goldens.json.
//
// Where the file was written by this CPU and LibTorch, numbers must be equal, bit for bit;
// elsewhere those in fp64 within 1e-6. When a change moves them on purpose: raise the
// numerics_version of what changed (the entry's, or the harness's), say so in CHANGELOG.md, and run
// this test with SUBLAB_WRITE_GOLDENS=1.
#include <ATen/Parallel.h>

#include <catch2/catch.hpp>

#include "core/hash.h"
#include "data/corpus.h"
#include "experiments/kinds.h"
#include "experiments/machine/environment.h"
#include "experiments/plan/resolve.h"
#include "experiments/run/prompt_compressor.h"
#include "experiments/tasks/evaluation.h"
#include "experiments/tasks/prompted.h"
#include "experiments/text/text_data.h"
#include "experiments/train/step.h"
#include "experiments/train/train.h"
#include "models/parts/lm_head.h"
#include "tests/models/small_models.h"
#include "tests/temporary_folder.h"

using namespace sublab;

namespace {

const fs::path kFile = fs::path(SUBLAB_SOURCE_ROOT) / "tests/goldens/goldens.json";
constexpr int64_t kSteps = 8, kRowsPerStep = 4;

/// Rows in which a pattern of its own comes back with noise, hints of the tokens beside it.
class Patterns : public RowSource {
 public:
  TokenRow row(int64_t index) const override {
    TokenRow out;
    for (int64_t t = 0; t < context_len(); ++t) {
      out.tokens.push_back(token(index, t));
      out.labels.push_back(token(index, t + 1));
      out.positions.push_back(t);
      out.hints.push_back(token_hint(out.tokens.back()));
    }
    out.lengths = {context_len()};
    return out;
  }
  int64_t context_len() const override { return 24; }
  int64_t vocab_size() const override { return kSmallVocab; }

 private:
  static int64_t token(int64_t row, int64_t t) {
    const auto noise = mix_bits(static_cast<uint64_t>(row * 1000 + t));
    const auto pattern = mix_bits(static_cast<uint64_t>(row * 1000 + t % 5));
    return static_cast<int64_t>((noise % 4 == 0 ? noise / 4 : pattern) % kSmallVocab);
  }
};

TrainConfig eight_steps(int64_t context_len) {
  TrainConfig config;
  config.batch_tokens = kRowsPerStep * context_len;
  config.tokens = kSteps * config.batch_tokens;
  config.learning_rate = 3e-3;
  return config;
}

json curve_of(LanguageModel& model, const RowSource& rows, const TrainConfig& config) {
  std::vector<Batch> batches;
  for (int64_t i = 0; i < 2; ++i) batches.push_back(make_batch(rows, 4 * i, 4).batch);
  model.prepare(batches);
  json losses = json::array();
  for (const TrainingPoint& point : train(model, rows, config, 1, {}).curve)
    losses.push_back(point.loss_nats);
  model.calibrate(batches);
  return losses;
}

/// Loss and accuracy on rows that training did not see, with the selection of `mode`.
json evaluation_of(const LanguageModel& model, const RowSource& rows, Mode mode) {
  at::NoGradGuard no_grad;
  const auto batch = make_batch(rows, 1000, 8);
  Run run;
  run.mode = mode;
  const at::Tensor hidden = run_model(model, batch.batch, nullptr, run);
  const auto n = static_cast<double>(batch.n_labels);
  const at::Tensor losses = token_losses(hidden, model.head_weight(), batch.labels);
  const at::Tensor hits = token_guesses(hidden, model.head_weight()).eq(batch.labels);
  return {{"loss_nats", losses.to(at::kDouble).sum().item<double>() / n},
          {"accuracy", hits.sum().item<double>() / n}};
}

json golden_of(const ModelCase& each) {
  json out = json::object();
  for (const auto& [name, dtype] : {std::pair("float64", at::kDouble), {"float32", at::kFloat}}) {
    auto model = each.entry->make(each.config, kSmallVocab, 1, tree_catalog().parts);
    convert_model(*model, dtype);
    const Patterns rows;
    json& of = out[name];
    of["train_loss_nats"] = curve_of(*model, rows, eight_steps(rows.context_len()));
    of["evaluate"] = evaluation_of(*model, rows, Mode::evaluate);
    of["train_selection"] = evaluation_of(*model, rows, Mode::train);
  }
  return out;
}

/// A corpus of made-up sentences.
void make_corpus() {
  CorpusManifest manifest;
  manifest.name = "sentences";
  manifest.origin = "test";
  write_corpus(manifest, [](const std::function<void(std::string)>& add) {
    static const char* words[] = {"tokens", "leave", "the",  "level",
                                  "and",    "come",  "back", "later"};
    for (uint64_t d = 0; d < 300; ++d) {
      RandomSequence random(stream_key(d, "golden"));
      std::string text = "Text " + std::to_string(d) + ":";
      for (uint64_t w = 0; w < 10 + d % 40; ++w) text += std::string(" ") + words[random.below(8)];
      add(text + ".");
    }
  });
}

DataConfig text_data() {
  DataConfig data;
  data.corpus = {"sentences"};
  data.tokenizer = "bytes";
  data.context_len = 48;
  return data;
}

/// What an example of a task gives for a model that was trained for eight steps in fp64.
json golden_of(const TaskEntry& task, const Example& example, const ArchitectureEntry& entry) {
  const Catalog& catalog = tree_catalog();
  json asked = example.config, data = write_fields(text_data());
  asked["task"] = task.name;
  const bool makes_rows =
      !task.has_prompts() &&  // prompts are asked in text
      std::any_of(catalog.row_makers.begin(), catalog.row_makers.end(),
                  [&](const RowMaker& maker) { return maker.name == task.name; });
  if (makes_rows) data["train_on"] = task.name;
  json model = entry.examples.front().config;
  model["architecture"] = entry.name;
  const json train = write_fields(eight_steps(data["context_len"]));
  const TrialConfig config = resolve_trial(
      {{"model", model}, {"data", data}, {"train", train}, {"evaluate", json::array({asked})}},
      "golden", catalog);
  std::optional<TextData> text;
  std::unique_ptr<RowSource> rows;
  if (makes_rows) {
    rows = catalog.row_maker(task.name, "golden")
               .rows(config.data.train_on, config.data.context_len, 1);
  } else {
    text.emplace(config.data, catalog.data);
    rows = text->rows(1);
  }
  const auto trained = entry.make(config.model, rows->vocab_size(), 1, catalog.parts);
  convert_model(*trained, at::kDouble);
  json out = {{"train_loss_nats", curve_of(*trained, *rows, config.train)}};
  const json& resolved = config.evaluate.at(0);
  Evaluation evaluation(recorded_evaluation(resolved, task.numerics_version, json::object()));
  const TaskContext context{*trained, config, text ? &*text : nullptr, 1};
  run_task(task, resolved, context, evaluation, compressor_of(resolved, context, catalog).get());
  for (const Metric& metric : evaluation.metrics())
    if (metric.value) out[metric.name] = *metric.value;
  return out;
}

/// Hash of the first training rows that text comes to with these parts.
json rows_golden(const char* key, const std::string& name, const Example& example) {
  DataConfig data = text_data();
  json choice = example.config;
  choice["type"] = name;
  (std::string(key) == "sampling" ? data.sampling : data.positions) = choice;
  const TextData text(data, tree_catalog().data);
  const auto rows = text.rows(1);
  json out = json::array();
  for (int64_t i = 0; i < 2 * rows->rows_per_epoch(); i += 3) {
    const TokenRow row = rows->row(i);
    out.push_back({row.tokens, row.labels, row.positions, row.lengths});
  }
  return short_hash(out.dump());
}

template <class EntryType>
void add_rows(json& out, const char* kind, const std::vector<EntryType>& table) {
  for (const EntryType& entry : table)
    for (const Example& example : entry.examples)
      out["rows"][std::string(kind) + " " + entry.name + example.name] =
          rows_golden(kind, entry.name, example);
}

json all_goldens() {
  const Catalog& catalog = tree_catalog();
  json out = {{"models", json::object()},
              {"tasks", json::object()},
              {"rows", json::object()},
              {"prompts", json::object()}};
  for (const ModelCase& each : model_cases(catalog)) out["models"][each.name] = golden_of(each);
  const TemporaryCache cache;
  make_corpus();
  for (const TaskEntry& task : catalog.tasks)
    for (const Example& example : task.examples)
      for (const ArchitectureEntry& entry : catalog.architectures)
        out["tasks"][task.name + example.name + ", " + entry.name] =
            golden_of(task, example, entry);
  add_rows(out, "sampling", catalog.data.samplings);
  add_rows(out, "positions", catalog.data.positions);
  const auto model = small_model({{"architecture", "llama"}, {"n_layers", 1}});
  for (const CompressionEntry& entry : catalog.compressions)
    for (const Example& example : entry.examples) {
      json choice = example.config;
      choice["type"] = entry.name;
      Question question;
      question.context = "Say it once. Say it twice.", question.context_ids = {1, 2};
      CompressionCost cost;
      const Question left =
          entry.make(choice, {.model = *model, .tokenizer = nullptr, .seed = 1, .open = {}})
              ->compress(question, cost);
      out["prompts"]["compression " + entry.name + example.name] = {left.context, left.context_ids};
    }
  return out;
}

/// What numbers depend on beside the code; tests here run on one thread.
json fingerprint() {
  const json machine = environment();
  return {{"cpu", machine.at("cpu")}, {"libtorch", machine.at("libtorch")}, {"threads", 1}};
}

void compare(const std::string& at, const json& expected, const json& got, bool bitwise) {
  if (at.ends_with("/float32") && !bitwise) return;
  INFO(at);
  if (expected.is_object() || expected.is_array()) {
    REQUIRE(got.type() == expected.type());
    REQUIRE(got.size() == expected.size());
    for (const auto& [key, value] : expected.items()) {
      const std::string place = at + "/" + key;
      INFO(place << " is missing");
      if (expected.is_object()) REQUIRE(got.contains(key));
      compare(place, value, expected.is_object() ? got.at(key) : got.at(std::stoul(key)), bitwise);
    }
  } else if (expected.is_number() && !bitwise) {
    CHECK(got.get<double>() == Approx(expected.get<double>()).epsilon(1e-6).margin(1e-9));
  } else {
    CHECK(got == expected);
  }
}

struct OneThread {
  OneThread() { at::set_num_threads(1); }
  ~OneThread() { at::set_num_threads(before); }
  int before = at::get_num_threads();
};

}  // namespace

TEST_CASE("every entry gives the numbers that it gave before", "[numerics]") {
  const OneThread one;
  const json got = all_goldens();
  if (std::getenv("SUBLAB_WRITE_GOLDENS")) {
    write_file_durably(kFile, json{{"machine", fingerprint()}, {"goldens", got}}.dump(1) + "\n");
    return;
  }
  REQUIRE(fs::exists(kFile));
  const json file = parse_json(read_file(kFile), kFile.string());
  const json& goldens = file.at("goldens");
  // An entry without a golden, and a golden without an entry.
  for (const auto& [part, of] : got.items())
    for (const auto& [name, numbers] : of.items()) {
      INFO(part << ": '" << name << "' has no golden: run this with SUBLAB_WRITE_GOLDENS=1");
      CHECK(goldens.at(part).contains(name));
    }
  for (const auto& [part, of] : goldens.items())
    for (const auto& [name, numbers] : of.items()) {
      INFO(part << ": '" << name << "' is no example of the catalog any more");
      CHECK(got.at(part).contains(name));
      if (got.at(part).contains(name))
        compare(part + "/" + name, numbers, got[part][name], file.at("machine") == fingerprint());
    }
}

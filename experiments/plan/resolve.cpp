// One trial resolved (experiments/plan/resolve.h).
#include "experiments/plan/resolve.h"

#include <algorithm>
#include <optional>

#include "core/schema/checkpoint_path.h"
#include "core/schema/metrics.h"
#include "data/corpus.h"
#include "data/sources/sources.h"
#include "data/tokenizer.h"
#include "experiments/checkpoint/checkpoint.h"
#include "experiments/machine/device.h"
#include "experiments/plan/resolve_checks.h"
#include "models/parts/decoder.h"

namespace sublab {
namespace {

void check_corpora(const DataConfig& data, const std::string& where) {
  if (data.corpus.empty())
    throw UserError(where + "/data/corpus",
                    "is empty; name at least one (see `sublab corpus list`)");
  std::vector<std::string> known = prepared_corpora();
  for (const Source& source : text_sources()) known.push_back(source.name);
  for (size_t i = 0; i < data.corpus.size(); ++i)
    if (std::find(known.begin(), known.end(), data.corpus[i]) == known.end())
      throw_unknown_name(where + "/data/corpus/" + std::to_string(i), "corpus", data.corpus[i],
                         known);
}

/// Writes out what `data` leaves open: what it trains on becomes an object with every setting.
void resolve_data(DataConfig& data, const std::string& where, const Catalog& catalog) {
  const std::string at = where + "/data/train_on", task = data.train_task();
  if (task.empty())
    fields_detail::throw_type(at, "\"text\", a task, or an object with a string \"task\"",
                              data.train_on);
  if (!data.train_on.is_object()) data.train_on = {{"task", task}};
  if (task != "text") {
    std::vector<std::string> known = {"text"};
    for (const RowMaker& maker : catalog.row_makers) known.push_back(maker.name);
    if (std::find(known.begin(), known.end(), task) == known.end())
      throw_unknown_name(at, "rows to train on", task, known);
    data.train_on = catalog.row_maker(task, at).resolve(data.train_on, at, data.context_len);
    return;
  }
  fields_detail::check_keys(data.train_on, at, {"task"});
  check_corpora(data, where);
  check_tokenizer_spec(data.tokenizer, where + "/data/tokenizer");
}

/// Writes out how training rows are made of text; other rows come as their task makes them.
void resolve_row_parts(DataConfig& data, const std::string& where, const DataParts& parts) {
  const auto settle = [&](const auto& table, const char* kind, const char* usual, json& choice) {
    const std::string at = where + "/data/" + kind;
    choice = resolve_choice(table, kind, choice, at, usual);
    if (!data.on_text() && chosen_type(choice) != usual)
      throw UserError(at, "'" + chosen_type(choice) + "' has no effect on rows of data.train_on " +
                              data.train_task());
  };
  settle(parts.samplings, "sampling", "plain", data.sampling);
  settle(parts.positions, "positions", "contiguous", data.positions);
  if (!data.on_text()) return;
  // Made once, so that what does not go with the rows or the corpora is refused here.
  make_choice(
      parts.samplings, "sampling", data.sampling, where,
      {.context_len = data.context_len, .sources = data.corpus, .where = where + "/data/sampling"});
  make_choice(parts.positions, "positions", data.positions, where,
              {.context_len = data.context_len, .where = where + "/data/positions"});
}

/// A scorer that reads hints needs rows that carry them.
void check_hints(const json& model, const DataConfig& data, const std::string& where,
                 const Catalog& catalog) {
  if (!data.on_text() && catalog.row_maker(data.train_task(), where).gives_hints) return;
  for (const std::string key : {"scorer", "train_scorer"})
    for (const ScorerEntry& scorer : catalog.parts.scorers) {
      if (!scorer.needs.hints || chosen_type(model.value(key, json())) != scorer.name) continue;
      std::string tasks;
      for (const RowMaker& maker : catalog.row_makers)
        if (maker.gives_hints) tasks += (tasks.empty() ? "" : ", ") + maker.name;
      throw UserError(where + "/model/" + key,
                      "'" + scorer.name + "' reads which tokens matter, but data.train_on " +
                          data.train_task() + " does not say it; allowed with data.train_on " +
                          tasks);
    }
}

/// Rows that a single segment holds would leave its memory unread, and its gate untrained.
void check_segment(const json& model, const TrialConfig& config, const std::string& where) {
  const json segment = model.value("segment_len", json());
  if (!segment.is_number_integer() || config.train.tokens == 0) return;
  if (segment.get<int64_t>() >= config.data.context_len)
    throw UserError(where + "/model/segment_len",
                    segment.dump() + " tokens hold a whole row of data.context_len " +
                        std::to_string(config.data.context_len) +
                        ", and nothing of it would be remembered; allowed: below that");
}

/// How a task's prompts are answered, whatever the task.
struct PromptSettings {
  int64_t batch = 16;

  template <class F>
  void fields(F& f) {
    f(condition::kBatch, batch, "questions that are answered at once; decides no number",
      within(1, 4096));
  }
};

/// What any entry may ask for beside its task.
struct AnyTaskSettings {
  int64_t last_points = 0;

  template <class F>
  void fields(F& f) {
    f(condition::kLastPoints, last_points,
      "asked at so many points of the last of training, 2 % of the run apart, the end being one: "
      "how far they lie apart is the noise of where training stops",
      within(2, 16));
  }
};

/// The entry's settings of this kind, taken out of it.
json take_any_task_settings(json& given, const std::string& at, const TrainConfig& train) {
  json out = json::object();
  const auto found = given.find(condition::kLastPoints);
  if (found == given.end()) return out;
  out[condition::kLastPoints] = *found;
  given.erase(found);
  AnyTaskSettings settings;
  read_fields(out, at, settings);
  if (train.dtype == "bfloat16")
    throw UserError(at + "/" + condition::kLastPoints,
                    "with train.dtype bfloat16 the weights that are evaluated stand at the end "
                    "alone; allowed: float32, tf32");
  return out;
}

/// An entry of `evaluate` with every default of its task, and of how its prompts are shortened and
/// answered where the task has any.
json resolve_task(json given, const std::string& at, const TrialConfig& config,
                  const Catalog& catalog) {
  constexpr const char* kKey = condition::kCompression;
  const TaskEntry& task = catalog.task(given["task"], at + "/task");
  if (!task.has_prompts() && given.contains(kKey) && given[kKey] != "none" &&
      chosen_type(given[kKey]) != "none")
    throw UserError(at + "/" + kKey,
                    "task " + task.name + " has no prompts to shorten; allowed: none");
  const json choice = resolve_choice(catalog.compressions, kKey, given.value(kKey, json("none")),
                                     at + "/" + kKey, "none");
  given.erase(kKey);
  const json any = take_any_task_settings(given, at, config.train);
  const auto resolved = [&] {
    json out = task.resolve(given, at, config.data);
    out.update(any);
    return out;
  };
  if (!task.has_prompts()) return resolved();
  PromptSettings prompts;
  if (given.contains(condition::kBatch))
    read_fields({{condition::kBatch, given[condition::kBatch]}}, at, prompts);
  given.erase(condition::kBatch);
  json out = resolved();
  out[kKey] = choice;
  out.update(write_fields(prompts));
  return out;
}

std::vector<json> resolve_tasks(const json& given, const TrialConfig& config,
                                const std::string& where, const Catalog& catalog) {
  std::vector<json> tasks;
  if (!given.is_array()) fields_detail::throw_type(where, "a list", given);
  for (size_t i = 0; i < given.size(); ++i) {
    const std::string at = where + "/" + std::to_string(i);
    if (!given[i].is_object() || !given[i].contains("task") || !given[i]["task"].is_string())
      fields_detail::throw_type(at, "an object with a string \"task\"", given[i]);
    tasks.push_back(resolve_task(given[i], at, config, catalog));
    for (size_t j = 0; j < i; ++j)
      if (tasks[j] == tasks[i]) throw UserError(at, "is what entry " + std::to_string(j) + " is");
  }
  return tasks;
}

/// `model` with the sizes of `theirs` where it does not say its own.
json with_shape_of(const json& theirs, json model) {
  for (const auto& fields : {describe_fields<DecoderConfig>(), describe_fields<AttentionConfig>()})
    for (const FieldHelp& field : fields)
      if (!model.contains(field.name) && theirs.contains(field.name))
        model[field.name] = theirs.at(field.name);
  return model;
}

}  // namespace

TrialConfig resolve_trial(const json& given, const std::string& where, const Catalog& catalog,
                          const std::vector<std::string>& variants) {
  fields_detail::check_keys(given, where, {"model", "data", "train", "evaluate"});
  TrialConfig config;
  read_fields(given.value("data", json::object()), where + "/data", config.data);
  read_fields(given.value("train", json::object()), where + "/train", config.train);
  config.train.device = resolve_device(config.train.device, where + "/train/device");
  if (config.train.dtype == "tf32" && device_kind(config.train.device) != "cuda")
    throw UserError(where + "/train/dtype", "'tf32' is arithmetic of CUDA devices; on " +
                                                config.train.device + " use float32 or bfloat16");
  resolve_data(config.data, where, catalog);
  resolve_row_parts(config.data, where, catalog.data);
  if (config.train.batch_tokens < config.data.context_len)
    throw UserError(where + "/train/batch_tokens", std::to_string(config.train.batch_tokens) +
                                                       " tokens hold no row of data.context_len " +
                                                       std::to_string(config.data.context_len));
  json model = given.value("model", json::object());
  if (!model.is_object()) fields_detail::throw_type(where + "/model", "an object", model);
  const json name = model.value("architecture", json("llama"));
  if (!name.is_string()) fields_detail::throw_type(where + "/model/architecture", "a string", name);
  model["architecture"] = name;
  const bool is_variant =
      std::find(variants.begin(), variants.end(), config.train.from) != variants.end();
  std::optional<CheckpointInfo> parent;
  if (!is_variant && (fs::is_directory(config.train.from) || names_variant(config.train.from))) {
    parent = read_checkpoint_header(find_checkpoint(config.train.from), catalog).info;
    model = with_shape_of(parent->model, std::move(model));
  }
  if (config.train.from_other_tokenizer && config.train.from.empty())
    throw UserError(where + "/train/from_other_tokenizer", "has no effect without train.from");
  config.model = catalog.architecture(name, where + "/model/architecture")
                     .resolve(model, where + "/model", catalog.parts);
  check_hints(config.model, config.data, where, catalog);
  check_segment(config.model, config, where);
  config.evaluate =
      resolve_tasks(given.value("evaluate", json::array()), config, where + "/evaluate", catalog);
  check_questions_differ(config, where);
  check_splits(config, where);
  if (parent) check_trained_length(config, parent->context_len, where);
  return config;
}

}  // namespace sublab

// A study folder made by hand: plan, records and losses per document, without training anything.
#pragma once

#include <string>
#include <vector>

#include "core/hash.h"
#include "core/npz.h"
#include "core/schema/arrays.h"
#include "core/schema/plan.h"
#include "core/schema/record.h"

namespace sublab {

/// Losses of `n` documents around `mean`, the same pattern for every mean.
inline std::vector<double> wavy_losses(double mean, double wobble = 0.3, int n = 40) {
  std::vector<double> out;
  for (int d = 0; d < n; ++d) out.push_back(mean + wobble * std::sin(1.7 * d));
  return out;
}

/// The id that write_fixture gives to a trial.
inline std::string fixture_id(const std::string& variant, int64_t seed) {
  return short_hash(variant + std::to_string(seed));
}

struct FixtureTrial {
  std::string variant;
  int64_t seed = 1;
  std::vector<double> losses;  ///< per document, nats per token
  std::string tokenizer = "bytes";
  uint64_t first_key = 1;
  std::vector<Metric> metrics = {};  ///< further ones
  json conditions = json::object();  ///< further ones of the evaluation
};

/// Adds an evaluation to a record, and to what its configuration asks.
inline void add_fixture_evaluation(const RecordedEvaluation& evaluation, Record& record) {
  json entry = evaluation.conditions;
  entry["task"] = evaluation.task;
  record.config["evaluate"].push_back(entry);
  record.evaluations.push_back(evaluation);
}

/// Adds an evaluation of the perplexity task: losses per document, each of `tokens` tokens and as
/// many bytes, and their means.
inline void add_fixture_losses(const json& conditions, const std::vector<double>& losses,
                               double tokens, uint64_t first_key, Record& record,
                               NpyMembers& arrays) {
  RecordedEvaluation evaluation;
  evaluation.task = "perplexity";
  evaluation.conditions = conditions;
  evaluation.id = evaluation_id(evaluation);
  const auto n = static_cast<int64_t>(losses.size());
  std::vector<double> sums;
  std::vector<uint64_t> keys;
  double loss = 0;
  for (int64_t d = 0; d < n; ++d) {
    sums.insert(sums.end(), {losses[d] * tokens, tokens, tokens});
    keys.push_back(first_key + static_cast<uint64_t>(d));
    loss += losses[d] / static_cast<double>(n);
  }
  arrays[member_name(array::kDocuments, evaluation.id)] = npy_array(sums, {n, 3});
  arrays[member_name(array::kDocumentKeys, evaluation.id)] = npy_array(keys, {n});
  json about = conditions;
  about["tokens"] = tokens * static_cast<double>(n);
  record.metrics.push_back({"loss_nats", loss, about, "", evaluation.id});
  record.metrics.push_back({"perplexity", std::exp(loss), about, "", evaluation.id});
  record.metrics.push_back({"bits_per_byte", loss / std::log(2.0), about, "", evaluation.id});
  add_fixture_evaluation(evaluation, record);
}

/// Adds an evaluation with one share of right answers out of `n_rows`.
inline void add_fixture_accuracy(const std::string& task, const json& conditions, double share,
                                 double n_rows, Record& record) {
  RecordedEvaluation evaluation;
  evaluation.task = task;
  evaluation.conditions = conditions;
  evaluation.id = evaluation_id(evaluation);
  json about = conditions;
  about["n_rows"] = n_rows;
  record.metrics.push_back({task + "_accuracy", share, about, "", evaluation.id});
  add_fixture_evaluation(evaluation, record);
}

/// Writes the arrays and says in the record what they are.
inline void write_fixture_arrays(const fs::path& folder, const NpyMembers& arrays, Record& record) {
  const fs::path path = arrays_path(folder, record.id);
  write_npz(path, arrays);
  record.arrays.members = json::object();
  for (const auto& [name, array] : arrays)
    record.arrays.members[name] = sha256_hex(npy_bytes(array));
  record.arrays.sha256 = sha256_hex(read_file(path));
}

/// Adds arrays to those of a trial that is there, and seals its record anew.
inline void add_to_fixture(const fs::path& folder, const std::string& id, const NpyMembers& more) {
  const fs::path path = folder / "records" / (id + ".json");
  Record record = read_record(path);
  NpyMembers arrays = read_npz(arrays_path(folder, id));
  for (const auto& [name, array] : more) arrays[name] = array;
  write_fixture_arrays(folder, arrays, record);
  write_record(path, record);
}

/// `plan` without trials is filled with these; variants, seeds and compare_to as they come.
inline void write_fixture(const fs::path& folder, Plan plan,
                          const std::vector<FixtureTrial>& trials, double tokens = 100) {
  plan.study = "fixture";
  for (const FixtureTrial& each : trials) {
    PlannedTrial planned;
    planned.id = fixture_id(each.variant, each.seed);
    planned.train_id = planned.id;
    planned.variant = each.variant;
    planned.seed = each.seed;
    planned.config = {{"model", {{"architecture", "llama"}}},
                      {"data",
                       {{"corpus", {"a"}},
                        {"context_len", 8},
                        {"tokenizer", each.tokenizer},
                        {"train_on", "text"}}},
                      {"train",
                       {{"tokens", 1000},
                        {"batch_tokens", 8},
                        {"learning_rate", 1e-3},
                        {"final_learning_rate", 0.1}}},
                      {"evaluate", json::array()}};
    if (std::find(plan.variants.begin(), plan.variants.end(), each.variant) == plan.variants.end())
      plan.variants.push_back(each.variant);
    if (std::find(plan.seeds.begin(), plan.seeds.end(), each.seed) == plan.seeds.end())
      plan.seeds.push_back(each.seed);
    Record record;
    record.id = planned.id;
    record.train_id = planned.train_id;
    record.study = plan.study;
    record.variant = each.variant;
    record.seed = each.seed;
    record.config = planned.config;
    record.provenance = {{"commit", "0123456789"}, {"tokenizer_hash", each.tokenizer}};
    record.metrics = each.metrics;
    json conditions = {{"split", "test"}};
    conditions.update(each.conditions);
    NpyMembers arrays;
    add_fixture_losses(conditions, each.losses, tokens, each.first_key, record, arrays);
    write_fixture_arrays(folder, arrays, record);
    write_record(folder / "records" / (planned.id + ".json"), record);
    planned.config = record.config;
    plan.trials.push_back(planned);
  }
  if (plan.compare_to.empty()) plan.compare_to = plan.variants.front();
  write_plan(folder, plan);
}

}  // namespace sublab

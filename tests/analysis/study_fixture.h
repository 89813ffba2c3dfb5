// A study folder made by hand: plan, records and losses per document, without training anything.
#pragma once

#include <string>
#include <vector>

#include "core/hash.h"
#include "core/npy.h"
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
  json conditions = json::object();  ///< further ones of the loss
};

/// Writes the losses of a trial as the perplexity task does; every document holds `tokens` tokens
/// and as many bytes. The record gets their mean and hashes.
inline void write_fixture_losses(const fs::path& arrays, const FixtureTrial& trial, double tokens,
                                 Record& record) {
  const auto n = static_cast<int64_t>(trial.losses.size());
  std::vector<double> sums;
  std::vector<uint64_t> keys;
  double loss = 0;
  for (int64_t d = 0; d < n; ++d) {
    sums.insert(sums.end(), {trial.losses[d] * tokens, tokens, tokens});
    keys.push_back(trial.first_key + static_cast<uint64_t>(d));
    loss += trial.losses[d] / static_cast<double>(n);
  }
  write_npy(arrays / "perplexity.documents.npy", sums, {n, 3});
  write_npy(arrays / "perplexity.document_keys.npy", keys, {n});
  for (const char* name : {"perplexity.documents.npy", "perplexity.document_keys.npy"})
    record.arrays[name] = sha256_hex(read_file(arrays / name));
  json about = {{"split", "test"}, {"tokens", tokens * static_cast<double>(n)}};
  about.update(trial.conditions);
  record.metrics.push_back({"valid_loss_nats", loss, about, ""});
  record.metrics.push_back({"valid_perplexity", std::exp(loss), about, ""});
  record.metrics.push_back({"valid_bits_per_byte", loss / std::log(2.0), about, ""});
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
    plan.trials.push_back(planned);
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
    write_fixture_losses(folder / "arrays" / planned.id, each, tokens, record);
    write_record(folder / "records" / (planned.id + ".json"), record);
  }
  if (plan.compare_to.empty()) plan.compare_to = plan.variants.front();
  write_plan(folder, plan);
}

}  // namespace sublab

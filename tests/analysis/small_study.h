// A study of two variants and two seeds, small enough to know every number of its figures.
#pragma once

#include "analysis/study/study_data.h"
#include "core/npz.h"
#include "core/schema/arrays.h"
#include "tests/temporary_folder.h"

namespace sublab {

struct SmallStudy : TemporaryFolder {
  StudyData data;

  SmallStudy() {
    data.folder = path;
    data.plan.study = "small";
    data.plan.compare_to = "llama";
    data.plan.variants = {"llama", kOddName};
    data.plan.seeds = {1, 2};
    for (const std::string& name : data.plan.variants) data.variants.push_back({name, {}, {}, {}});
    for (int64_t seed : {1, 2}) {
      add_trial(0, seed, 2.0 + 0.2 * static_cast<double>(seed), 100);
      add_trial(1, seed, 3.0 + 0.2 * static_cast<double>(seed), 50);
    }
  }

  /// What a name may hold: everything that a shell, gnuplot, SVG or LaTeX could take for its own.
  static inline const std::string kOddName = "a_b{c}'\"<&>%$#\\`id` ^~";

  Record& record(size_t variant, size_t seed) { return data.variants[variant].records.at(seed); }
  /// Adds an array to the trial's file; `evaluation` is kEvaluation or "" for training.
  void add_array(size_t variant, size_t seed, const std::string& name, const NpyArray& array,
                 const std::string& evaluation = "") {
    const fs::path file = arrays_path(path, record(variant, seed).id);
    NpyMembers members = read_npz(file);
    members[member_name(name, evaluation)] = array;
    write_npz(file, members);
  }
  static constexpr const char* kEvaluation = "perplexity-1";

 private:
  void add_trial(size_t variant, int64_t seed, double loss, double flops) {
    Record record;
    record.id = "id" + std::to_string(variant) + std::to_string(seed);
    record.variant = data.variants[variant].name;
    record.seed = seed;
    record.config = {{"model", {{"retention", 0.5}}}};
    RecordedEvaluation evaluation;
    evaluation.id = kEvaluation;
    evaluation.task = "perplexity";
    evaluation.conditions = {{"window", 32}};
    record.evaluations = {evaluation};
    record.metrics = {{"loss_nats", loss, {{"window", 32}}, "", kEvaluation},
                      {"train_flops_per_token", flops, json::object(), ""},
                      {"train_tokens", 1000.0, json::object(), ""}};
    data.variants[variant].records.push_back(record);
    const std::vector<double> curve = {10, 5, 20, loss};
    write_npz(arrays_path(path, record.id), {{array::kLossCurve, npy_array(curve, {2, 2})}});
  }
};

}  // namespace sublab

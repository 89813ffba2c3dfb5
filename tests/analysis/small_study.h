// A study of two variants and two seeds, small enough to know every number of its figures.
#pragma once

#include "analysis/study/study_data.h"
#include "core/npy.h"
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
  fs::path arrays(size_t variant, size_t seed) {
    return path / "arrays" / record(variant, seed).id;
  }

 private:
  void add_trial(size_t variant, int64_t seed, double loss, double flops) {
    Record record;
    record.id = "id" + std::to_string(variant) + std::to_string(seed);
    record.variant = data.variants[variant].name;
    record.seed = seed;
    record.config = {{"model", {{"retention", 0.5}}}};
    record.metrics = {{"valid_loss_nats", loss, {{"window", 32}}, ""},
                      {"train_flops_per_token", flops, json::object(), ""},
                      {"train_tokens", 1000.0, json::object(), ""}};
    data.variants[variant].records.push_back(record);
    const fs::path folder = path / "arrays" / record.id;
    write_npy(folder / "loss_curve.npy", std::vector<double>{10, 5, 20, loss}, {2, 2});
  }
};

}  // namespace sublab

// How the tests of coming systems use the catalog: a study's configuration that chooses a new entry
// is resolved, its model takes a training step, is evaluated and audited.
#pragma once

#include <catch2/catch.hpp>

#include "experiments/audit/audit.h"
#include "experiments/plan/resolve.h"
#include "experiments/tasks/prompted.h"
#include "experiments/train/step.h"
#include "tests/models/small_models.h"

namespace sublab {

/// A small configuration that trains on recall, as a study's would be.
inline json coming_study(json model) {
  if (!model.contains("d_model")) model["d_model"] = 32;
  if (!model.contains("n_heads")) model["n_heads"] = 4;
  if (!model.contains("n_kv_heads")) model["n_kv_heads"] = 2;
  if (!model.contains("n_layers")) model["n_layers"] = 2;
  return {{"model", model},
          {"data", {{"train_on", {{"task", "recall"}, {"n_pairs", 4}}}, {"context_len", 32}}},
          {"train", {{"batch_tokens", 128}, {"tokens", 1280}}},
          {"evaluate", {{{"task", "recall"}, {"n_rows", 8}}}}};
}

/// What a configuration comes to.
class Coming {
 public:
  Coming(Catalog catalog, const json& study)
      : catalog_(std::move(catalog)),
        config(resolve_trial(study, "study", catalog_)),
        entry_(&catalog_.architecture(config.model.at("architecture"), "")),
        rows_(catalog_.row_maker("recall", "")
                  .rows(config.data.train_on, config.data.context_len, 1)) {}

  std::unique_ptr<LanguageModel> make(at::ScalarType dtype = at::kDouble) const {
    auto model = entry_->make(config.model, rows_->vocab_size(), 1, catalog_.parts);
    if (dtype != at::kFloat) convert_model(*model, dtype);
    return model;
  }
  const Catalog& catalog() const { return catalog_; }
  const RowSource& rows() const { return *rows_; }

  /// The step that the trainer takes, of four rows. Coins count it as training.
  StepResult train(LanguageModel& model, int64_t step = 0) const {
    AdamW optimizer(model.parameters(), config.train);
    return optimizer_step(model, optimizer, {make_batch(*rows_, 4 * step, 4)},
                          {.learning_rate = 1e-2, .step = step});
  }
  /// What entry `i` of `evaluate` leaves in a record.
  Record evaluate(const LanguageModel& model, size_t i = 0,
                  const PromptCompressor* compressor = nullptr) const {
    const json& asked = config.evaluate.at(i);
    const TaskEntry& task = catalog_.task(asked.at("task"), "");
    Evaluation out(recorded_evaluation(asked, task.numerics_version, json::object()));
    run_task(task, asked, {model, config, nullptr, 1}, out, compressor);
    Record record;
    NpyMembers arrays;
    std::move(out).move_to(record, arrays);
    return record;
  }
  AuditReport audit() const {
    const auto fresh = [this] {
      auto model = make(at::kFloat);
      train(*model);
      return model;
    };
    AuditSubject subject{fresh, entry_->expects,
                         entry_->exact_cut_of(config.model, catalog_.parts)};
    subject.length_dependent_beyond = length_dependent_beyond(config.model, catalog_.parts);
    return audit_model(subject, AuditSettings::brief());
  }
  /// All of it; the weights move, and whole rows are what steps give.
  Record exercise() const {
    const auto model = make();
    const at::Tensor before = model->head_weight().detach().clone();
    const StepResult step = train(*model);
    CHECK(step.finite());
    CHECK(step.gradient_norm > 0);
    CHECK_FALSE(model->head_weight().equal(before));
    const AuditReport report = audit();
    INFO(report.verdict);
    CHECK(report.as_expected());
    Record record = evaluate(*model);
    CHECK(record.find("recall_accuracy")->value.has_value());
    return record;
  }

 private:
  Catalog catalog_;

 public:
  TrialConfig config;

 private:
  const ArchitectureEntry* entry_;
  std::unique_ptr<RowSource> rows_;
};

/// Hidden states of whole rows.
inline at::Tensor whole_rows(const LanguageModel& model, const Batch& batch,
                             int64_t declared_length = 0) {
  at::NoGradGuard no_grad;
  Run run;
  run.declared_length = declared_length;
  return run_model(model, batch, nullptr, run);
}

/// The same of one row, in steps of `lengths` tokens.
inline at::Tensor in_steps(const LanguageModel& model, const Batch& batch,
                           const std::vector<int64_t>& lengths, int64_t declared_length = 0) {
  at::NoGradGuard no_grad;
  Run run;
  run.mode = Mode::step;
  run.declared_length = declared_length;
  const auto state = model.new_state(1, 4);
  std::vector<at::Tensor> out;
  int64_t begin = 0;
  for (const int64_t n : lengths) {
    const at::Tensor tokens = batch.tokens.slice(0, begin, begin + n);
    out.push_back(run_model(model, continue_rows(*state, tokens, {n}), state.get(), run));
    begin += n;
  }
  return at::cat(out);
}

}  // namespace sublab

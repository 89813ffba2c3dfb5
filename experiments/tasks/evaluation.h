// What a task leaves behind for one entry of a trial's `evaluate`: metrics with their conditions,
// and arrays by name.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/npz.h"
#include "core/schema/record.h"
#include "models/sinks.h"

namespace sublab {

class Evaluation {
 public:
  explicit Evaluation(RecordedEvaluation about) : about_(std::move(about)) {}

  const RecordedEvaluation& about() const { return about_; }

  /// A number, under the conditions of the entry and further ones of its own: counts (`n_rows`,
  /// `tokens`), or what tells it from others of its name (`module`). One that is not finite is
  /// absent. How it is shown: core/schema/metrics.h, or what its name says ("<task>_accuracy").
  void add(const std::string& name, std::optional<double> value,
           const json& conditions = json::object(), const std::string& note = "");

  /// What a mechanism did of what it could (segments folded, tokens evicted): `active_fraction`
  /// with the mechanism and both counts as conditions. 0 says that it never acted.
  void add_activity(const std::string& mechanism, double n, double of);

  /// An array; see core/schema/arrays.h for names and for what is kept of them.
  template <class T>
  void add_array(const std::string& name, const std::vector<T>& values,
                 std::vector<int64_t> shape) {
    arrays_[name] = npy_array(values, std::move(shape));
  }

  /// What was asked and what came, one object a question, in the array `samples`, which main trials
  /// of the first seed keep. Their keys are those of a sample_of() (experiments/tasks/graded.h), or
  /// a task's own. Several calls add up.
  void add_samples(const std::vector<json>& samples);

  /// For Run::activity of every pass of the evaluation: what it counts becomes metrics.
  Activity& activity() { return activity_; }

  const std::vector<Metric>& metrics() const { return metrics_; }
  const NpyMembers& arrays() const { return arrays_; }

  /// Appends what is here to a record and, under the names of this evaluation, to a trial's arrays.
  /// Throws UserError where the record has an evaluation of this id.
  void move_to(Record& record, NpyMembers& arrays) &&;

 private:
  /// What activity() counted, by mechanism.
  void add_counts();

  RecordedEvaluation about_;
  std::vector<Metric> metrics_;
  Activity activity_;
  NpyMembers arrays_;  ///< by their own names
  std::vector<uint8_t> samples_;
};

/// Whether this resolved choice of an entry, or null, changes a prompt.
bool is_compressed(const json& compression);

/// What a resolved entry {"task": name, ...} asks: its settings are conditions, but for what only
/// permits ("extrapolate"), stores ("keep") or arranges ("batch"). `provenance` is the trial's: the hashes of the text
/// that it reads; `device` the kind of device that it is asked on. Compressed prompts are a
/// condition, unless by `none`, and `compression_version` is the numerics version of what does it.
RecordedEvaluation recorded_evaluation(const json& resolved, int64_t numerics_version,
                                       const json& provenance, const std::string& device = "cpu",
                                       int64_t compression_version = 0);

}  // namespace sublab

// What one trial leaves behind: results/<study>/records/<id>.json. Written once, read by reports.
#pragma once

#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/fields.h"
#include "core/files.h"

namespace sublab {

/// How a trial ended; exactly one of them. Only `ok` carries all metrics. `unsupported`: it asks
/// for something that this build or device lacks.
inline const std::vector<std::string> kOutcomes = {
    "ok", "out_of_memory", "diverged", "timed_out", "crashed", "unsupported", "cancelled"};

/// What was asked of the trained model: a task with its settings. Two entries of one task differ in
/// conditions, and so in id.
struct RecordedEvaluation {
  std::string id;  ///< see evaluation_id(); arrays are named by it
  std::string task;
  json conditions = json::object();  ///< split, window, stride, length, dtype, ...
  std::string reads;  ///< hash of the text that it was asked on; provenance has its parts
  int64_t numerics_version = 1;             ///< of the task
  std::vector<std::string> asked_for = {};  ///< arrays kept beyond the policy

  template <class F>
  void fields(F& f) {
    f("id", id, "of task, conditions, content and numerics version");
    f("task", task, "task name");
    f("conditions", conditions, "how it was asked");
    f("reads", reads, "hash of the text");
    f("numerics_version", numerics_version, "of the task");
    f("asked_for", asked_for, "arrays that are kept beyond the policy");
  }
};

/// "perplexity-1a2b3c4d": the task, and a hash of all that the answer depends on beside the
/// weights.
std::string evaluation_id(const RecordedEvaluation& evaluation);

/// One measured number, e.g. {"loss_nats", 4.97, {"split": "test", "window": 256}, "", id}. Names
/// are those of core/schema/metrics.h or a task's own.
struct Metric {
  std::string name;
  std::optional<double> value;  ///< absent (JSON null) when it could not be measured; never NaN
  json conditions = json::object();  ///< those of its evaluation, and its own (module, n, ...)
  std::string note = {};             ///< why the value is absent, or a qualifier such as "assumed"
  std::string evaluation = {};       ///< id; "" of training and of the configuration

  template <class F>
  void fields(F& f) {
    f("name", name, "metric name");
    f("value", value, "the number, or null");
    f("conditions", conditions, "split, window, module, phase, ...");
    f("note", note, "qualifier, or why there is no value");
    f("evaluation", evaluation, "the evaluation that it comes from, or empty");
  }
};

/// The trial's file of arrays, arrays/<id>.npz; see core/schema/arrays.h.
struct ArrayFile {
  std::string sha256;                      ///< of the file; "" = there is none
  json members = json::object();           ///< member, without ".npy" -> SHA-256 of its .npy bytes
  std::vector<std::string> left_out = {};  ///< members that the keep policy did not write

  template <class F>
  void fields(F& f) {
    f("sha256", sha256, "of the file");
    f("members", members, "SHA-256 of each member");
    f("left_out", left_out, "members that the keep policy did not write");
  }
};

/// Several metrics answer to one name: the question is not specific enough.
class AmbiguousMetric : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// Of the layout of records. Records of an older one are refused.
inline constexpr int64_t kRecordSchema = 2;

struct Record {
  int64_t schema = kRecordSchema;
  std::string id;        ///< the trial's id (file name)
  std::string train_id;  ///< hash of what was trained
  std::string study;
  std::string variant;
  std::string
      probe;  ///< "" for a trial of the study proper, else the probe (e.g. "recall") it belongs to
  int64_t seed = 0;
  json config = json::object();  ///< resolved: model, data, train, evaluate
  std::string outcome = "ok";
  std::string detail;  ///< for outcomes other than ok: one line (signal, step of divergence, ...)
  std::vector<RecordedEvaluation> evaluations;  ///< in the order of config.evaluate
  std::vector<Metric> metrics;
  json audit = json::object();   ///< verdict per check (see experiments/audit/audit.h)
  json ledger = json::object();  ///< FLOPs and bytes per part and level
  json environment = json::object();
  json provenance = json::object();  ///< commit, dirty, build, corpus manifest hash, tokenizer hash
  /// started and ended (RFC 3339); of training train_seconds, train_cpu_seconds,
  /// train_wait_seconds, train_load_at_start, train_load_at_end.
  json times = json::object();
  ArrayFile arrays;
  std::string digest;  ///< SHA-256 of all the above; set by write_record

  template <class F>
  void fields(F& f) {
    f("schema", schema, "version of this layout", within(kRecordSchema, kRecordSchema));
    f("id", id, "trial id");
    f("train_id", train_id, "hash of what was trained");
    f("study", study, "study name");
    f("variant", variant, "variant name in the study");
    f("probe", probe, "probe name, or empty");
    f("seed", seed, "trial seed");
    f("config", config, "resolved configuration");
    f("outcome", outcome, "how the trial ended", one_of(kOutcomes));
    f("detail", detail, "one line about an outcome other than ok");
    f("evaluations", evaluations, "what was asked");
    f("metrics", metrics, "measured numbers");
    f("audit", audit, "causality and consistency verdicts");
    f("ledger", ledger, "FLOPs and bytes");
    f("environment", environment, "machine and libraries");
    f("provenance", provenance, "code and data versions");
    f("times", times, "when and how long");
    f("arrays", arrays, "the file of arrays");
    f("digest", digest, "SHA-256 of the rest");
  }

  /// Every metric of this name whose conditions hold these.
  std::vector<const Metric*> find_all(const std::string& name,
                                      const json& conditions = json::object()) const;
  /// The metric of this name with these conditions, or null. Throws AmbiguousMetric where several
  /// answer.
  const Metric* find(const std::string& name, const json& conditions = json::object()) const;
  /// The same within one evaluation ("": of none).
  const Metric* find_in(const std::string& evaluation, const std::string& name,
                        const json& conditions = json::object()) const;

  /// Id of the evaluation that the trial stands for in comparisons, tuning and overviews: the first
  /// that measures a loss. "" where none does.
  std::string headline() const;
  /// The metric of this name that the trial stands for: the only one, else that of headline(). Null
  /// where there is none. Throws AmbiguousMetric where neither tells.
  const Metric* find_headline(const std::string& name,
                              const json& conditions = json::object()) const;
  const RecordedEvaluation* evaluation(const std::string& id) const;
};

/// SHA-256 of a record, a plan or a speed measurement as JSON without its own digest.
std::string digest_of(json written);

/// Refuses NaN and infinities (they must be absent values), then writes durably with a digest.
void write_record(const fs::path& path, const Record& record);

/// A record that was cut off, or that something else has altered so that it is none any more. The
/// message names the file and the command that makes it again.
class DamagedRecord : public UserError {
 public:
  DamagedRecord(const fs::path& path, const std::string& what);
};

/// Throws DamagedRecord, and UserError when the file is not there, may not be read, or has another
/// schema than this program's.
Record read_record(const fs::path& path);

/// How the trial of a record ended. Of a file that is whole and laid out as write_record does, the
/// rest is not read: thousands are asked for this alone. Throws as read_record.
std::string read_outcome(const fs::path& path);

/// Every record under `study_folder`/records, in order of id.
std::vector<Record> read_records(const fs::path& study_folder);

}  // namespace sublab

// What one trial leaves behind: results/<study>/records/<id>.json. Written once, read by reports.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/fields.h"
#include "core/files.h"

namespace sublab {

/// How a trial ended; exactly one of them. Only `ok` carries all metrics.
inline const std::vector<std::string> kOutcomes = {
    "ok", "out_of_memory", "diverged", "timed_out", "crashed", "unsupported", "cancelled"};

/// One measured number of design vocabulary, e.g. {"valid_loss_nats", 4.97, {"context": 256}}.
struct Metric {
  std::string name;
  std::optional<double> value;  ///< absent (JSON null) when it could not be measured; never NaN
  json conditions = json::object();
  std::string note;  ///< why the value is absent, or a qualifier such as "assumed"

  template <class F>
  void fields(F& f) {
    f("name", name, "metric name");
    f("value", value, "the number, or null");
    f("conditions", conditions, "context, batch, dtype, split, ...");
    f("note", note, "qualifier, or why there is no value");
  }
};

struct Record {
  int64_t schema = 1;
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
  std::vector<Metric> metrics;
  json audit = json::object();   ///< verdict per check (see experiments/audit/audit.h)
  json ledger = json::object();  ///< FLOPs and bytes per part and level
  json environment = json::object();
  json provenance = json::object();  ///< commit, dirty, build, corpus manifest hash, tokenizer hash
  json times = json::object();       ///< started (RFC 3339), train_seconds, evaluate_seconds, ...
  json arrays = json::object();      ///< file under arrays/<id>/ -> SHA-256 of its bytes
  std::string digest;                ///< SHA-256 of all the above; set by write_record

  template <class F>
  void fields(F& f) {
    f("schema", schema, "version of this layout", within(1, 1));
    f("id", id, "trial id");
    f("train_id", train_id, "hash of what was trained");
    f("study", study, "study name");
    f("variant", variant, "variant name in the study");
    f("probe", probe, "probe name, or empty");
    f("seed", seed, "trial seed");
    f("config", config, "resolved configuration");
    f("outcome", outcome, "how the trial ended", one_of(kOutcomes));
    f("detail", detail, "one line about an outcome other than ok");
    f("metrics", metrics, "measured numbers");
    f("audit", audit, "causality and consistency verdicts");
    f("ledger", ledger, "FLOPs and bytes");
    f("environment", environment, "machine and libraries");
    f("provenance", provenance, "code and data versions");
    f("times", times, "when and how long");
    f("arrays", arrays, "SHA-256 of each array file");
    f("digest", digest, "SHA-256 of the rest");
  }

  /// The metric of this name, or null. With several conditions the first one is returned.
  const Metric* find(const std::string& name) const;
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

/// Throws DamagedRecord, and UserError when the file is not there or may not be read.
Record read_record(const fs::path& path);

/// How the trial of a record ended. Of a file that is whole and laid out as write_record does, the
/// rest is not read: thousands are asked for this alone. Throws as read_record.
std::string read_outcome(const fs::path& path);

/// Every record under `study_folder`/records, in order of id.
std::vector<Record> read_records(const fs::path& study_folder);

}  // namespace sublab

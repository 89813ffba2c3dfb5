// Holds a study folder against its raw data, file by file.
#include "analysis/verify.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <set>

#include "analysis/build_report.h"
#include "analysis/print/print.h"
#include "analysis/print/trials.h"
#include "analysis/report/report.h"
#include "analysis/study/study_data.h"
#include "analysis/study/unlike_data.h"
#include "analysis/verify_evaluations.h"
#include "core/hash.h"
#include "core/npz.h"
#include "core/safetensors.h"
#include "core/schema/arrays.h"
#include "core/schema/bench.h"
#include "core/schema/plan.h"
#include "core/schema/tuning.h"
#include "core/temporary_files.h"
#include "core/utf8.h"

namespace sublab {
namespace {

/// Sums in another order differ by rounding.
constexpr double kRounding = 1e-9;

/// A file that cannot be read is one problem; what follows from others is still looked at. False
/// then.
template <class Check>
bool guarded(Verification& out, const Check& check) {
  try {
    check();
    return true;
  } catch (const UserError& error) {
    const std::string what = error.what();
    if (std::find(out.problems.begin(), out.problems.end(), what) == out.problems.end())
      out.problems.push_back(what);
    return false;
  }
}

void check_metrics(const Record& record, const fs::path& folder, Verification& out) {
  for (const DerivedMetric& derived : derive_metrics(record, folder)) {
    const Metric* metric = record.find_in(derived.evaluation, derived.name);
    if (!metric || !metric->value) continue;
    ++out.derived;
    if (std::abs(*metric->value - derived.value) > kRounding * std::abs(derived.value))
      out.problems.push_back("records/" + record.id + ".json: " + derived.name +
                             (derived.evaluation.empty() ? "" : " of " + derived.evaluation) +
                             " is " + json(*metric->value).dump() + "; its raw data give " +
                             json(derived.value).dump());
  }
}

/// The arrays of a file that is there: hashes, and nothing that the record does not name. Returns
/// their names.
std::vector<std::string> check_members(const Record& record, const fs::path& path,
                                       const std::string& name, Verification& out) {
  if (sha256_hex(read_file(path)) != record.arrays.sha256)
    out.problems.push_back(name + " is not the file that the trial wrote");
  const NpzFile file(path);
  for (const auto& [member, hash] : record.arrays.members.items()) {
    if (!file.contains(member)) continue;
    ++out.arrays;
    if (sha256_hex(file.bytes(member)) != hash)
      out.problems.push_back(name + ": " + member + " is not the array that the trial wrote");
  }
  for (const std::string& member : file.names())
    if (!record.arrays.members.contains(member))
      out.problems.push_back(name + ": " + member + " is of no trial: its record does not name it");
  return file.names();
}

/// False when they cannot be read.
bool check_arrays(const Record& record, const fs::path& folder, const Plan& plan,
                  Verification& out) {
  const fs::path path = arrays_path(folder, record.id);
  const std::string name = "arrays/" + record.id + ".npz";
  std::vector<std::string> there;
  if (!guarded(out, [&] {
        if (fs::exists(path)) there = check_members(record, path, name, out);
      }))
    return false;
  const KeepQuestion trial{.tuning = record.probe == kTuneProbe,
                           .first_seed = record.seed == plan.seeds.front()};
  const auto check = [&](const std::string& member) {
    if (std::find(there.begin(), there.end(), member) != there.end()) return;
    if (is_member_kept(member, record, trial))
      out.problems.push_back(name + ": " + member + " is missing");
    else
      ++out.left_out;
  };
  for (const auto& [member, hash] : record.arrays.members.items()) check(member);
  for (const std::string& member : record.arrays.left_out) check(member);
  return true;
}

/// Holds the digest in a file against the rest of it. `may_lack_one`: files of its form were
/// written before there were digests.
void check_digest(const json& written, const std::string& name, bool may_lack_one,
                  Verification& out) {
  const json digest = written.value("digest", json(""));
  if (digest == "") {
    if (may_lack_one)
      ++out.unsealed;
    else
      out.problems.push_back(name + " has no digest: it was altered after it was written");
    return;
  }
  ++out.records;
  if (digest_of(written) != digest)
    out.problems.push_back(name + " was altered after it was written");
}

/// Plans from before there were digests have none of these.
bool is_plan_without_digests(const json& plan) {
  for (const char* key : {"comparisons", "scaling", "threads", "content", "study_hash"})
    if (plan.contains(key)) return false;
  return true;
}

/// The study that a plan was made of stands beside it as it was.
void check_study(const fs::path& folder, const Plan& plan, Verification& out) {
  if (plan.study_hash.empty()) return;
  const fs::path path = folder / "study.json";
  if (!fs::exists(path))
    out.problems.push_back("study.json is missing");
  else if (sha256_hex(read_file(path)) != plan.study_hash)
    out.problems.push_back("study.json is not the study that the plan was made of");
}

/// Weights are not kept in git; where they are, they must be those that the trial left.
void check_weights(const Record& record, const fs::path& folder, Verification& out) {
  const std::string name = checkpoint_folder(record.train_id);
  const json hash = record.provenance.value("weights_hash", json());
  if (hash.is_null() || !fs::exists(folder / name / "model.safetensors")) return;
  if (weights_hash(folder / name) != hash)
    out.problems.push_back(name + "/model.safetensors is not what the trial " + record.id +
                           " left");
}

/// Whether a record's configuration is the planned one. Ids that stand for content let names
/// differ.
bool is_of(json config, json planned, bool by_content) {
  if (by_content)
    for (json* each : {&config, &planned}) {
      (*each)["data"].erase("corpus");
      (*each)["data"].erase("tokenizer");
      (*each)["train"].erase("from");
    }
  return config == planned;
}

/// Adds the trial's record to `records`; false when it or its arrays are damaged.
bool check_record(const fs::path& folder, const Plan& plan, const PlannedTrial& trial,
                  EvaluationCheck& evaluations, std::deque<Record>& records, Verification& out) {
  const std::string name = "records/" + trial.id + ".json";
  const fs::path path = folder / name;
  if (!fs::exists(path)) {
    ++out.missing;
    if (fs::exists(arrays_path(folder, trial.id)))
      out.problems.push_back(name + " is missing; the arrays of its trial are there");
    return true;
  }
  Record read;
  try {
    read = read_record(path);
  } catch (const DamagedRecord& error) {
    out.problems.push_back(error.what());
    return false;
  }
  records.push_back(std::move(read));
  const Record& record = records.back();
  check_digest(parse_json(read_file(path), path.string()), name, /*may_lack_one=*/false, out);
  if (record.id != trial.id || !is_of(record.config, trial.config, !plan.content.empty()) ||
      record.seed != trial.seed || record.train_id != trial.train_id || record.probe != trial.probe)
    out.problems.push_back(name + " is not of the trial that the plan names");
  if (record.outcome != "ok") return true;
  for (const std::string& problem : evaluations.problems(record, trial.config))
    out.problems.push_back(name + ": " + problem);
  const size_t n_problems = out.problems.size();
  const bool readable = check_arrays(record, folder, plan, out);
  guarded(out, [&] { check_weights(record, folder, out); });
  // Numbers do not follow from arrays that are not the trial's.
  if (out.problems.size() != n_problems) return readable;
  return guarded(out, [&] { check_metrics(record, folder, out); });
}

/// Ids of the trials of plan.1.json, plan.2.json, ...: plans that another one took the place of.
std::set<std::string> trials_of_kept_plans(const fs::path& folder, Verification& out) {
  std::set<std::string> ids;
  for (int64_t n = 1;; ++n) {
    const std::string name = "plan." + std::to_string(n) + ".json";
    if (!fs::exists(folder / name)) return ids;
    guarded(out, [&] {
      const json plan = parse_json(read_file(folder / name), (folder / name).string());
      if (!plan.is_object()) throw UserError((folder / name).string(), "is no plan");
      check_digest(plan, name, is_plan_without_digests(plan), out);
      for (const json& trial : plan.value("trials", json::array()))
        if (trial.is_object() && trial.value("id", json()).is_string())
          ids.insert(trial["id"].get<std::string>());
    });
  }
}

/// What `run` set aside, or what a process that was killed left.
bool is_no_result(const std::string& name) {
  return name.find(".damaged-") != std::string::npos || is_temporary_name(name);
}

/// Records and arrays that no trial of the plan left, or of one that is kept beside it.
void check_strangers(const fs::path& folder, const Plan& plan, Verification& out) {
  const std::set<std::string> before = trials_of_kept_plans(folder, out);
  for (const std::string part : {"records", "arrays"}) {
    if (!fs::is_directory(folder / part)) continue;
    for (const auto& entry : fs::directory_iterator(folder / part))
      if (!plan.find(entry.path().stem().string()) &&
          !before.contains(entry.path().stem().string()) &&
          !is_no_result(entry.path().filename().string()))
        out.problems.push_back(part + "/" + entry.path().filename().string() +
                               " is of no trial of the plan (of an earlier plan: take it away)");
  }
}

void check_bench(const fs::path& folder, const Plan& plan, Verification& out) {
  const auto bench = read_bench(folder);  // refuses a damaged one, or two
  if (!bench) return;
  for (const auto& entry : fs::directory_iterator(folder / "bench"))
    if (entry.path().extension() == ".json") {
      const std::string name = "bench/" + entry.path().filename().string();
      check_digest(parse_json(read_file(entry.path()), entry.path().string()), name,
                   bench->schema == 1, out);
      if (bench->compare_to != plan.compare_to)
        out.problems.push_back(name + " is against " + bench->compare_to + ", the plan against " +
                               plan.compare_to);
    }
}

/// Trials that have no record because nothing asked for them to widen a grid of learning rates.
int64_t n_not_needed(const Plan& plan, const std::vector<const Record*>& records) {
  std::map<std::string, TrialEnd> ends;
  for (const Record* record : records) ends[record->id] = end_of(*record);
  int64_t n = 0;
  for (const std::string& id : not_needed_trials(plan, [&](const PlannedTrial& trial) {
         return ends.contains(trial.id) ? ends.at(trial.id) : TrialEnd{};
       }))
    n += !ends.contains(id);
  return n;
}

/// The trials one by one, where they were written beside the report.
void check_trials(const fs::path& folder, Verification& out) {
  for (const auto& [name, print] : {std::pair{"trials.csv", &trials_as_csv},
                                    std::pair{"trials.jsonl", &trials_as_json_lines}}) {
    if (!fs::exists(folder / name)) continue;
    ++out.report_files;
    const std::string where =
        first_difference(read_file(folder / name), print(read_study_data(folder)));
    if (!where.empty())
      out.problems.push_back(
          std::string(name) + ", " + where +
          " (altered, older than the records, or made by another version of the program)");
  }
}

void check_report(const fs::path& folder, Verification& out) {
  std::optional<Report> report;
  for (const std::string& format : report_formats()) {
    const fs::path path = folder / ("report." + format);
    if (!fs::exists(path)) continue;
    if (!report) report = build_report(folder);
    ++out.report_files;
    const std::string where = first_difference(read_file(path), report_as(format, *report));
    if (!where.empty())
      out.problems.push_back(path.filename().string() + ", " + where +
                             " (altered, or made by another version of the program)");
  }
}

/// Whole characters of `line` around `from`; bytes that are none show as '?'.
std::string excerpt(const std::string& line, size_t from) {
  std::string out = "'";
  for (size_t at = 0; at < line.size() && at < from + 40;) {
    const size_t n = utf8_length(line, at);
    if (at + 20 >= from) out += n > 0 ? line.substr(at, n) : "?";
    at += std::max(n, size_t{1});
  }
  return out + "'";
}

}  // namespace

std::string first_difference(const std::string& found, const std::string& expected) {
  if (found == expected) return "";
  size_t line = 1, begin = 0, at = 0;
  while (at < std::min(found.size(), expected.size()) && found[at] == expected[at])
    if (found[at++] == '\n') ++line, begin = at;
  const auto rest = [&](const std::string& text) {
    return excerpt(text.substr(begin, text.find('\n', begin) - begin), at - begin);
  };
  return "line " + std::to_string(line) + ": " + rest(found) + " instead of " + rest(expected);
}

Verification verify_study(const fs::path& folder) {
  Verification out;
  Plan plan;
  if (!fs::exists(folder / "plan.json")) read_plan(folder);  // says that it holds no study
  if (!guarded(out, [&] { plan = read_plan(folder); })) return out;
  if (!fs::is_directory(folder / "records") && !fs::is_directory(folder / "bench"))
    throw UserError(folder.string(),
                    "has neither records nor a speed measurement; run the study first");
  const json written = parse_json(read_file(folder / "plan.json"), "plan.json");
  check_digest(written, "plan.json", is_plan_without_digests(written), out);
  guarded(out, [&] { check_study(folder, plan, out); });
  std::set<std::string> checked;  // two variants may resolve to one trial
  bool readable = true;
  std::deque<Record> records;
  EvaluationCheck evaluations;
  for (const PlannedTrial& trial : plan.trials)
    if (checked.insert(trial.id).second)
      readable = check_record(folder, plan, trial, evaluations, records, out) && readable;
  std::vector<const Record*> all;
  for (const Record& record : records) all.push_back(&record);
  for (const std::string& sentence : unlike_data(plan, all).sentences)
    out.problems.push_back(sentence);
  out.missing -= n_not_needed(plan, all);
  check_strangers(folder, plan, out);
  readable = guarded(out, [&] { check_bench(folder, plan, out); }) && readable;
  if (readable) guarded(out, [&] { check_report(folder, out); });
  if (readable) guarded(out, [&] { check_trials(folder, out); });
  return out;
}

}  // namespace sublab

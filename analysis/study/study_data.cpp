// Reads a study folder; what every table asks of it.
#include "analysis/study/study_data.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>

#include "core/hints.h"
#include "core/json_text.h"
#include "core/npz.h"
#include "core/schema/arrays.h"
#include "core/schema/metrics.h"
#include "core/schema/read_record.h"
#include "core/schema/tuning.h"

namespace sublab {
namespace {

/// What `read` gives; of a file of arrays that is damaged the message says what mends it.
template <class Read>
auto read_mendable(const fs::path& folder, const Read& read) {
  try {
    return read();
  } catch (const UserError& error) {
    throw UserError(std::string(error.what()) + "; " + rerun_command(folder) +
                    " sets these arrays aside and makes the trial again");
  }
}

}  // namespace

std::optional<NpyArray> read_array(const fs::path& study_folder, const Record& record,
                                   const std::string& array, const std::string& evaluation) {
  const fs::path path = arrays_path(study_folder, record.id);
  if (!fs::exists(path)) return std::nullopt;
  const std::string member = member_name(array, evaluation);
  return read_mendable(study_folder, [&] {
    const NpzFile file(path);
    return file.contains(member) ? std::optional(file.read(member)) : std::nullopt;
  });
}

const DocumentLossTable* VariantData::losses_of(const Record& record,
                                                const std::string& evaluation) const {
  const auto trial = losses.find(record.id);
  if (trial == losses.end()) return nullptr;
  const auto found = trial->second.find(evaluation);
  return found == trial->second.end() ? nullptr : &found->second;
}

const AnswerTable* VariantData::answers_of(const Record& record,
                                           const std::string& evaluation) const {
  const auto trial = answers.find(record.id);
  if (trial == answers.end()) return nullptr;
  const auto found = trial->second.find(evaluation);
  return found == trial->second.end() ? nullptr : &found->second;
}

std::vector<const Record*> good_of(const std::vector<Record>& records) {
  std::vector<const Record*> out;
  for (const Record& record : records)
    if (record.outcome == "ok") out.push_back(&record);
  return out;
}

std::optional<double> metric_of(const Record& record, const std::string& name) {
  const Metric* metric = record.find_headline(name);
  return metric ? metric->value : std::nullopt;
}

const Metric* train_memory(const Record& record) {
  const Metric* of_phase = record.find(metric::kPeakMemoryBytes, {{condition::kPhase, "train"}});
  if (of_phase) return of_phase;
  const auto all = record.find_all(metric::kPeakMemoryBytes);
  return all.size() == 1 && !all.front()->conditions.contains(condition::kPhase) ? all.front()
                                                                                 : nullptr;
}

std::optional<double> training_flops(const Record& record) {
  const auto per_token = metric_of(record, metric::kTrainFlopsPerToken),
             tokens = metric_of(record, metric::kTrainTokens);
  return per_token && tokens ? std::optional(*per_token * *tokens) : std::nullopt;
}

std::optional<double> training_seconds(const Record& record) {
  const double seconds = record.times.value("train_seconds", 0.0);
  return seconds > 0 ? std::optional(seconds) : std::nullopt;
}

std::vector<double> readings(const std::vector<const Record*>& records, const Reading& read) {
  std::vector<double> out;
  for (const Record* record : records)
    if (const auto value = read(*record)) out.push_back(*value);
  return out;
}

bool keeps_everything(const Record& record) {
  const json retention = record.config.at("model").value("retention", json());
  return retention.is_number() && retention.get<double>() == 1;
}

const VariantData& StudyData::variant(const std::string& name) const {
  std::vector<std::string> names;
  for (const VariantData& each : variants) {
    if (each.name == name) return each;
    names.push_back(each.name);
  }
  throw_unknown_name(folder.string(), "variant", name, names);
}

bool lacks_losses(const StudyData& data) {
  bool any = false;
  for (const VariantData& variant : data.variants)
    for (const Record* record : variant.good()) {
      any = true;
      if (!record->headline().empty()) return false;
    }
  return any;
}

std::vector<const Record*> shown_records(const StudyData& data) {
  std::vector<const Record*> out;
  for (const VariantData& variant : data.variants) {
    for (const Record* record : variant.good()) out.push_back(record);
    for (const auto& [probe, records] : variant.probes)
      if (probe != kTuneProbe)
        for (const Record* record : good_of(records)) out.push_back(record);
  }
  return out;
}

std::optional<BenchFile> read_bench(const fs::path& folder) {
  if (!fs::is_directory(folder / "bench")) return std::nullopt;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder / "bench"))
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  if (files.empty()) return std::nullopt;
  if (files.size() > 1)
    throw UserError((folder / "bench").string(), "holds " + std::to_string(files.size()) +
                                                     " speed measurements; one per study stands");
  const std::string where = files[0].string() + ": ";
  BenchFile bench;
  read_fields(parse_json(read_file(files[0]), files[0].string()), where, bench);
  for (const BenchMeasurement& measurement : bench.measurements)
    for (const BenchSeries& series : measurement.series)
      if (series.ran() && series.seconds.empty())
        throw UserError(where + "/measurements", series.variant + " has no rounds");
  return bench;
}

namespace {

/// Losses of models of unlike text must not meet in one table.
void refuse_unlike(StudyData& data) {
  std::vector<const Record*> all;
  for (const VariantData& variant : data.variants) {
    for (const Record& record : variant.records) all.push_back(&record);
    for (const auto& [probe, records] : variant.probes)
      for (const Record& record : records) all.push_back(&record);
  }
  data.unlike = unlike_data(data.plan, all);
  const auto refuse = [&](VariantData& variant, Record& record) {
    const auto found = data.unlike.refused.find(record.id);
    if (found == data.unlike.refused.end()) return;
    refuse_losses(record, found->second);
    variant.losses.erase(record.id);
    variant.refused.insert(*found);
  };
  for (VariantData& variant : data.variants) {
    for (Record& record : variant.records) refuse(variant, record);
    for (auto& [probe, records] : variant.probes)
      for (Record& record : records) refuse(variant, record);
  }
}

std::string machine_of(const RecordedEvaluation& evaluation) {
  const json& about = evaluation.conditions;
  const auto text = [&](const char* key) { return unquoted(about.value(key, json())); };
  return text(condition::kDevice) + " (" + text("dtype") + ")";
}

/// Takes what a record measured on another device, or in another number format, than `first` out
/// of it.
void refuse_other_device(const Record& first, Record& record, VariantData& variant) {
  const size_t n = std::min(first.evaluations.size(), record.evaluations.size());
  for (size_t i = 0; i < n; ++i) {
    const std::string id = record.evaluations[i].id, own = machine_of(record.evaluations[i]),
                      other = machine_of(first.evaluations[i]);
    if (own == other) continue;
    const std::string reason = "seed " + std::to_string(record.seed) + " of " + variant.name +
                               " was evaluated on " + own + ", seed " + std::to_string(first.seed) +
                               " on " + other + ": they are not averaged";
    for (Metric& metric : record.metrics)
      if (metric.evaluation == id) metric.value.reset(), metric.note = reason;
    if (const auto found = variant.losses.find(record.id); found != variant.losses.end())
      found->second.erase(id);
    if (const auto found = variant.answers.find(record.id); found != variant.answers.end())
      found->second.erase(id);
    variant.refused.emplace(record.id, reason);
  }
}

/// Numbers of several devices must not meet in one mean: those of the first seed's stand.
void refuse_other_devices(VariantData& variant) {
  const auto refuse = [&](std::vector<Record>& records) {
    const Record* first = nullptr;
    for (Record& record : records) {
      if (record.outcome != "ok" || record.evaluations.empty()) continue;
      if (!first) first = &record;
      refuse_other_device(*first, record, variant);
    }
  };
  refuse(variant.records);
  for (auto& [probe, records] : variant.probes)
    if (probe != kTuneProbe) refuse(records);
}

/// A trial's record and tables, as far as they are there.
struct TrialData {
  std::optional<Record> record;
  TrialTables tables;
};

/// Of each trial of the plan, by several threads: parsing is nearly all that reading costs. Of what
/// is damaged the first in the plan's order is thrown.
std::vector<TrialData> read_trials(const fs::path& folder, const std::vector<PlannedTrial>& trials,
                                   Record (*read)(const fs::path&)) {
  std::vector<TrialData> out(trials.size());
  std::vector<std::exception_ptr> problems(trials.size());
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < trials.size(); i = next++) try {
        const fs::path path = folder / "records" / (trials[i].id + ".json");
        if (!fs::exists(path)) continue;
        out[i].record = read(path);
        out[i].tables = read_mendable(folder, [&] { return read_tables(folder, *out[i].record); });
      } catch (...) {
        problems[i] = std::current_exception();
      }
  };
  const size_t n_threads = std::min<size_t>(
      {trials.size() / 64 + 1, 8, std::max(1u, std::thread::hardware_concurrency())});
  std::vector<std::thread> threads;
  for (size_t i = 1; i < n_threads; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& problem : problems)
    if (problem) std::rethrow_exception(problem);
  return out;
}

/// `read` holds what is there of each trial of the plan.
std::set<std::string> not_needed_by_records(const Plan& plan, const std::vector<TrialData>& read) {
  std::map<std::string, TrialEnd> ends;
  for (size_t i = 0; i < read.size(); ++i)
    if (const auto& record = read[i].record) ends[plan.trials[i].id] = end_of(*record);
  return not_needed_trials(plan, [&](const PlannedTrial& trial) {
    const auto end = ends.find(trial.id);
    return end == ends.end() ? TrialEnd{} : end->second;
  });
}

/// What is there, which may be the plan alone.
StudyData read_present(const fs::path& folder, Record (*read_one)(const fs::path&)) {
  StudyData data;
  data.folder = folder;
  data.plan = read_plan(folder);
  std::map<std::string, size_t> places;
  for (const std::string& name : data.plan.variants) {
    places.emplace(name, data.variants.size());
    data.variants.push_back({name, {}, {}, {}});
  }
  std::vector<TrialData> read = read_trials(folder, data.plan.trials, read_one);
  const std::set<std::string> not_needed = not_needed_by_records(data.plan, read);
  for (size_t i = 0; i < read.size(); ++i) {
    const PlannedTrial& trial = data.plan.trials[i];
    auto& [record, tables] = read[i];
    if (!record) {
      if (not_needed.contains(trial.id))
        data.not_needed.insert(trial.id);
      else
        ++data.missing;
      continue;
    }
    VariantData& variant = data.variants[places.at(trial.variant)];
    // Two variants may resolve to one trial, whose record names the first of them.
    record->variant = trial.variant;
    if (!tables.losses.empty()) variant.losses[trial.id] = std::move(tables.losses);
    if (!tables.answers.empty()) variant.answers[trial.id] = std::move(tables.answers);
    auto& records = trial.probe.empty() ? variant.records : variant.probes[trial.probe];
    records.push_back(std::move(*record));
  }
  refuse_unlike(data);
  for (VariantData& variant : data.variants) refuse_other_devices(variant);
  data.bench = read_bench(folder);
  return data;
}

}  // namespace

StudyData read_study_data(const fs::path& folder) {
  StudyData data = read_present(folder, read_record);
  if (!data.has_records())
    throw UserError(folder.string(), "has no records yet; run the study first");
  return data;
}

StudyData read_study_or_bench(const fs::path& folder) {
  StudyData data = read_present(folder, read_record_numbers);
  if (!data.has_records() && !data.bench)
    throw UserError(folder.string(),
                    "has neither records nor a speed measurement; run the study first");
  return data;
}

}  // namespace sublab

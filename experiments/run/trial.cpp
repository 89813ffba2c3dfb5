#include "experiments/run/trial.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/hash.h"
#include "core/npz.h"
#include "core/safetensors.h"
#include "core/schema/arrays.h"
#include "core/schema/checkpoint_path.h"
#include "core/schema/metrics.h"
#include "core/temporary_files.h"
#include "experiments/audit/audit.h"
#include "experiments/checkpoint/checkpoint_tokenizer.h"
#include "experiments/machine/environment.h"
#include "experiments/machine/tensor_memory.h"
#include "experiments/text/content.h"
#include "experiments/text/text_data.h"
#include "experiments/train/train.h"
#include "models/interchange/tensors.h"

namespace sublab {
namespace {

/// Training rows that count tokens before training, and that fit thresholds after it.
constexpr int64_t kPreparingRows = 1024, kCalibrationRows = 32;

/// Beside the weights in a checkpoint folder; the file is written last, so that one without it is
/// made anew.
constexpr const char* kTrainingFile = "training.json";
constexpr const char* kTrainingCurves = "curves.npz";

/// Leaves what the keep policy asks for in the trial's file, and says in the record what that is.
void write_arrays(const NpyMembers& arrays, const TrialFolders& folders, Record& record) {
  NpyMembers kept;
  for (const auto& [name, content] : arrays) {
    const size_t slash = name.find('/');
    KeepQuestion keep = folders.keep;
    if (slash != std::string::npos)
      keep.asked_for = record.evaluation(name.substr(0, slash))->asked_for;
    if (is_kept(slash == std::string::npos ? name : name.substr(slash + 1), keep))
      kept[name] = content;
    else
      record.arrays.left_out.push_back(name);
  }
  if (kept.empty()) return;
  write_npz(folders.arrays, kept);
  for (const auto& [name, content] : kept)
    record.arrays.members[name] = sha256_hex(npy_bytes(content));
  record.arrays.sha256 = sha256_hex(read_file(folders.arrays));
}

/// Everything that a trial works with; built once, in order.
class Trial {
 public:
  Trial(const TrialConfig& config, int64_t seed, const TrialFolders& folders,
        const Catalog& catalog, const ReportProgress& report)
      : config_(config),
        seed_(seed),
        folders_(folders),
        catalog_(catalog),
        report_(report),
        context_len_(config.data.context_len) {}

  Record run() {
    count_tensor_bytes();
    record_.seed = seed_;
    record_.config = write_fields(config_);
    record_.environment = environment();
    record_.provenance = code_provenance();
    record_.times["started"] = timestamp();
    open_data();
    build_model();
    train_model();
    if (record_.outcome == "ok") evaluate_model();
    write_arrays(arrays_, folders_, record_);
    record_.times["ended"] = timestamp();
    return std::move(record_);
  }

 private:
  void say(const std::string& stage, double done, double loss = 0, double rate = 0) const {
    if (report_) report_({stage, done, loss, rate});
  }
  void add(const std::string& name, double value) {
    const bool finite = std::isfinite(value);
    record_.metrics.push_back({name, finite ? std::optional(value) : std::nullopt, json::object(),
                               finite ? "" : "not finite"});
  }

  /// What follows, up to end_memory_phase, is one phase: "train" or "evaluate".
  void start_memory_phase() {
    reset_peak_tensor_bytes();
    fresh_peak_resident_ = reset_peak_resident();
    live_at_start_ = static_cast<double>(live_tensor_bytes());
  }
  void end_memory_phase(const std::string& phase) {
    const auto note = [&](const char* name, double bytes) {
      record_.metrics.push_back({name, bytes, {{condition::kPhase, phase}}, ""});
    };
    note(metric::kLiveMemoryBytes, live_at_start_);
    note(metric::kPeakMemoryBytes, static_cast<double>(peak_tensor_bytes()));
    if (fresh_peak_resident_) note(metric::kPeakResidentBytes, peak_resident_bytes());
  }

  void open_data() {
    say("data", 0);
    if (config_.data.train_on == "text") {
      text_.emplace(config_.data);
      rows_ = text_->rows(seed_);
      record_.provenance.update(text_->provenance());
      return;
    }
    const TaskEntry& task = catalog_.task(config_.data.train_on, "/data/train_on");
    json resolved = task.resolve({{"task", task.name}}, "/data", config_.data);
    for (const json& evaluation : config_.evaluate)
      if (evaluation.at("task") == task.name) resolved = evaluation;
    rows_ = task.training_rows(config_.data, resolved, seed_);
  }

  void build_model() {
    const ArchitectureEntry& entry =
        catalog_.architecture(config_.model.at("architecture"), "/model/architecture");
    model_ = entry.make(config_.model, rows_->vocab_size(), static_cast<uint64_t>(seed_),
                        catalog_.parts);
    double parameters = 0, embedding = 0;
    for (const Parameter& parameter : model_->parameters()) {
      parameters += static_cast<double>(parameter.tensor.numel());
      if (parameter.name == "model.embed_tokens.weight" || parameter.name == "lm_head.weight")
        embedding += static_cast<double>(parameter.tensor.numel());
    }
    Ledger ledger;
    model_->add_cost(CostShape::whole_rows(1, config_.data.context_len), ledger);
    record_.ledger = ledger.to_json();
    add(metric::kParams, parameters);
    add(metric::kParamsNonEmbedding, parameters - embedding);
    add(metric::kTrainFlopsPerToken, ledger.training_flops_causal(config_.train.recompute) /
                                         static_cast<double>(config_.data.context_len));
    Ledger decode;
    model_->add_cost(CostShape::decode(1, config_.data.context_len), decode);
    add(metric::kDecodeBytesPerToken, decode.bytes());
    add(metric::kTrainTokens, static_cast<double>(config_.train.tokens));
    add(metric::kTokensPerParameter, static_cast<double>(config_.train.tokens) / parameters);
  }

  CheckpointInfo info() const {
    const ArchitectureEntry& entry =
        catalog_.architecture(config_.model.at("architecture"), "/model/architecture");
    return {config_.model,
            rows_->vocab_size(),
            context_len_,
            text_ ? text_->tokenizer().boundary_id() : 0,
            text_ ? config_.data.tokenizer : "",
            entry.numerics_version,
            config_.data.train_on};
  }

  TokenizerIdentity tokenizer() const {
    return text_ ? identity_of(text_->tokenizer(), config_.data.tokenizer)
                 : identity_of_task(config_.data.train_on);
  }

  /// Takes the weights that training starts from.
  void start_from(const std::string& folder) {
    const Checkpoint parent = load_checkpoint(folder, catalog_);
    const TokenizerIdentity theirs = identity_of(parent);
    const TokenizerMatch found = check_from_tokenizer(theirs, tokenizer(), config_.train, "/train");
    record_.provenance["from"] = {{"checkpoint", config_.train.from},
                                  {"tokenizer", theirs.name},
                                  {"tokenizer_hash", theirs.hash},
                                  {"tokenizer_is", found == TokenizerMatch::same    ? "the same"
                                                   : found == TokenizerMatch::other ? "another"
                                                                                    : "not known"}};
    model_->graft(copy_shared_weights(*parent.model, *model_, folder), folder);
    if (config_.train.tokens == 0) context_len_ = std::min(context_len_, parent.info.context_len);
  }

  /// Weights that this trial, or another one of its train_id, left here.
  void take_trained() {
    Checkpoint trained = load_checkpoint(folders_.checkpoint, catalog_);
    const TokenizerIdentity theirs = identity_of(trained);
    if (match(theirs, tokenizer()) == TokenizerMatch::other)
      throw UserError(folders_.checkpoint.string(),
                      "was trained with the tokenizer " + theirs.text() + "; here '" +
                          config_.data.tokenizer + "' makes " + tokenizer().text());
    model_ = std::move(trained.model);
    recall_training();
  }

  void train_model() {
    if (fs::exists(folders_.checkpoint / kTrainingFile)) return take_trained();
    if (!folders_.from.empty()) start_from(folders_.from.string());
    model_->prepare(training_batches(kPreparingRows));
    n_shape_metrics_ = record_.metrics.size();
    start_memory_phase();
    const StepShape shape = step_shape(config_.train, rows_->context_len());
    const MachineUse before = machine_use();
    const TrainingResult result = train(
        *model_, *rows_, config_.train, static_cast<uint64_t>(seed_), [&](const TrainingPoint& p) {
          const double done = static_cast<double>(p.step + 1) / static_cast<double>(shape.n_steps);
          say("train", done, p.loss_nats, p.seconds > 0 ? p.tokens / p.seconds : 0);
        });
    record_.outcome = result.outcome;
    record_.detail = result.detail;
    record_.times["train_seconds"] = result.seconds;
    note_machine_use(before, machine_use());
    end_memory_phase("train");
    std::vector<double> curve;
    for (const TrainingPoint& point : result.curve)
      curve.insert(curve.end(), {point.tokens, point.loss_nats});
    const auto n = static_cast<int64_t>(result.curve.size());
    arrays_[array::kLossCurve] = npy_array(curve, {n, 2});
    write_selection(result.selection);
    if (result.outcome != "ok") return;
    model_->calibrate(training_batches(kCalibrationRows));
    save_checkpoint(folders_.checkpoint, *model_, info(), text_ ? &text_->tokenizer() : nullptr);
    record_.provenance["weights_hash"] = weights_hash(folders_.checkpoint);
    remember_training();
  }

  /// Whether other programs ran beside training: its seconds are then not those of this machine.
  void note_machine_use(const MachineUse& before, const MachineUse& after) {
    record_.times["train_cpu_seconds"] = after.cpu_seconds - before.cpu_seconds;
    if (before.wait_seconds && after.wait_seconds)
      record_.times["train_wait_seconds"] = *after.wait_seconds - *before.wait_seconds;
    record_.times["train_load_at_start"] = before.load;
    record_.times["train_load_at_end"] = after.load;
  }

  /// What training measured goes with the weights: another evaluation of them trains nothing again.
  void remember_training() const {
    json metrics = json::array();
    for (size_t i = n_shape_metrics_; i < record_.metrics.size(); ++i)
      metrics.push_back(write_fields(record_.metrics[i]));
    write_npz(folders_.checkpoint / kTrainingCurves, arrays_);
    json written = {{"metrics", metrics},
                    {"times", record_.times},
                    {"weights_hash", record_.provenance.at("weights_hash")}};
    if (record_.provenance.contains("from")) written["from"] = record_.provenance["from"];
    write_file_durably(folders_.checkpoint / kTrainingFile, written.dump(1) + "\n");
  }

  void recall_training() {
    const fs::path path = folders_.checkpoint / kTrainingFile;
    const json read = parse_json(read_file(path), path.string());
    for (const json& each : read.at("metrics")) {
      Metric metric;
      read_fields(each, path.string(), metric);
      record_.metrics.push_back(metric);
    }
    for (const auto& [name, value] : read.at("times").items())
      if (name.starts_with("train_")) record_.times[name] = value;
    if (read.contains("from")) record_.provenance["from"] = read["from"];
    if (read.contains("weights_hash")) record_.provenance["weights_hash"] = read["weights_hash"];
    if (fs::exists(folders_.checkpoint / kTrainingCurves))
      arrays_ = read_npz(folders_.checkpoint / kTrainingCurves);
  }

  /// The first `n` training rows, eight to a batch.
  std::vector<Batch> training_batches(int64_t n) const {
    std::vector<Batch> batches;
    for (int64_t i = 0; i < n; i += 8) batches.push_back(make_batch(*rows_, i, 8).batch);
    return batches;
  }

  /// Selection over training as an array, and each module's state at its end as metrics.
  void write_selection(const std::vector<SelectionPoint>& points) {
    if (points.empty()) return;
    std::vector<double> numbers;
    for (const SelectionPoint& point : points)
      for (const double number : point.numbers()) numbers.push_back(number);
    arrays_[array::kSelectionCurve] =
        npy_array(numbers, {static_cast<int64_t>(points.size()), SelectionPoint::kNumbers});
    const auto levels = model_->module_levels();
    for (const SelectionPoint& point : points) {
      if (point.step != points.back().step) continue;
      for (const auto& [name, value] : std::vector<std::pair<std::string, double>>{
               {metric::kScoreAboveThreshold, point.above_threshold},
               {metric::kScoreInside, point.inside},
               {metric::kScoreEntropy, point.score_entropy},
               {metric::kDiscardedWeight, point.discarded_weight},
               {metric::kKeptNotAboveThreshold, point.kept_not_above},
               {metric::kBypassMin, point.bypass_min},
               {metric::kBypassMean, point.bypass_mean},
               {metric::kBypassMax, point.bypass_max},
               {metric::kKeptDrift, point.drift}})
        record_.metrics.push_back({metric::at_level(name, levels[point.module]),
                                   value,
                                   {{condition::kModule, point.module}},
                                   ""});
    }
  }

  void evaluate_model() {
    start_memory_phase();
    for (size_t i = 0; i < config_.evaluate.size(); ++i) {
      say("evaluate", static_cast<double>(i) / static_cast<double>(config_.evaluate.size()));
      const TaskContext context{*model_, config_, text_ ? &*text_ : nullptr, seed_};
      const TaskEntry& task = catalog_.task(config_.evaluate[i].at("task"), "/evaluate");
      Evaluation out(
          recorded_evaluation(config_.evaluate[i], task.numerics_version, record_.provenance));
      task.evaluate(config_.evaluate[i], context, out);
      std::move(out).move_to(record_, arrays_);
    }
    end_memory_phase("evaluate");
    say("audit", 0);
    const auto& entry =
        catalog_.architecture(config_.model.at("architecture"), "/model/architecture");
    AuditSettings settings = AuditSettings::brief();
    settings.seed = static_cast<uint64_t>(seed_);
    AuditSubject subject{[&] { return fresh_model(); }, entry.expects, entry.cut_dependent};
    if (text_) subject.rows = rows_.get();
    record_.audit = write_fields(audit_model(subject, settings));
  }

  /// The trained weights once more, in a model of their own: the audit changes what it is given.
  std::unique_ptr<LanguageModel> fresh_model() const {
    return load_checkpoint(folders_.checkpoint, catalog_).model;
  }

  TrialConfig config_;
  int64_t seed_;
  TrialFolders folders_;
  const Catalog& catalog_;
  ReportProgress report_;
  int64_t context_len_;  ///< tokens of a row that the weights were trained on
  Record record_;
  NpyMembers arrays_;  ///< by the names of members
  std::optional<TextData> text_;
  std::unique_ptr<RowSource> rows_;
  std::unique_ptr<LanguageModel> model_;
  size_t n_shape_metrics_ = 0;        ///< metrics that the configuration alone decides
  double live_at_start_ = 0;          ///< bytes of tensors when the phase began
  bool fresh_peak_resident_ = false;  ///< the kernel let the peak start anew with the phase
};

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// How a trial ended that threw this; "" where the error is none of its own.
std::string outcome_of(const std::exception& error) {
  if (is_out_of_memory(error)) return "out_of_memory";
  // LibTorch throws the second where a device lacks an operation.
  const bool lacks = dynamic_cast<const Unsupported*>(&error) != nullptr ||
                     dynamic_cast<const c10::NotImplementedError*>(&error) != nullptr;
  return lacks ? "unsupported" : "";
}

}  // namespace

Record run_trial(const TrialConfig& config, int64_t seed, const TrialFolders& folders,
                 const Catalog& catalog, const ReportProgress& report) {
  return Trial(config, seed, folders, catalog, report).run();
}

Record run_planned_trial(const Plan& plan, const PlannedTrial& trial, const fs::path& study_folder,
                         const Catalog& catalog, const ReportProgress& report) {
  TrialConfig config;
  read_fields(trial.config, "plan.json", config);
  check_content(plan.content, config);
  TrialFolders folders{
      study_folder / checkpoint_folder(trial.train_id), arrays_path(study_folder, trial.id), {}};
  folders.keep.tuning = trial.probe == kTuneProbe;
  folders.keep.first_seed = trial.seed == plan.seeds.front();
  if (const PlannedTrial* parent = plan.find(trial.from))
    folders.from = study_folder / checkpoint_folder(parent->train_id);
  else if (!config.train.from.empty())
    folders.from = find_checkpoint(config.train.from);
  // Of an attempt that was killed; only one process at a time has the trial.
  remove_left_overs(study_folder / "arrays", Writers::any, trial.id + ".");
  fs::remove(folders.arrays);
  remove_left_overs(study_folder / "records", Writers::any, trial.id + ".");
  remove_left_overs(folders.checkpoint, Writers::gone);
  remove_left_overs(study_folder / "checkpoints", Writers::gone, trial.train_id + ".");
  Record record;
  try {
    record = run_trial(config, trial.seed, folders, catalog, report);
  } catch (const std::exception& error) {
    record.outcome = outcome_of(error);
    if (record.outcome.empty()) throw;
    record.config = trial.config;
    record.seed = trial.seed;
    record.detail = first_line(error.what());
  }
  record.id = trial.id;
  record.train_id = trial.train_id;
  record.study = plan.study;
  record.variant = trial.variant;
  record.probe = trial.probe;
  if (folders.keep.tuning) {  // its numbers alone count
    record.ledger.erase("lines");
    record.audit.erase("checks");
  }
  return record;
}

}  // namespace sublab

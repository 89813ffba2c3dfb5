#include "experiments/run/trial.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/hash.h"
#include "core/npy.h"
#include "core/safetensors.h"
#include "core/schema/checkpoint_path.h"
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
constexpr const char* kTrainingArrays[] = {"loss_curve.npy", "selection_curve.npy"};

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
      record_.metrics.push_back({name, bytes, {{"phase", phase}}, ""});
    };
    note("live_memory_bytes", live_at_start_);
    note("peak_memory_bytes", static_cast<double>(peak_tensor_bytes()));
    if (fresh_peak_resident_) note("peak_resident_bytes", peak_resident_bytes());
  }

  void open_data() {
    say("data", 0);
    if (config_.data.train_on == "text") {
      text_.emplace(config_.data, catalog_.data);
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
    add("n_params", parameters);
    add("n_params_non_embedding", parameters - embedding);
    add("train_flops_per_token", ledger.training_flops_causal(config_.train.recompute) /
                                     static_cast<double>(config_.data.context_len));
    Ledger decode;
    model_->add_cost(CostShape::decode(1, config_.data.context_len), decode);
    add("decode_bytes_per_token", decode.bytes());
    add("train_tokens", static_cast<double>(config_.train.tokens));
    add("tokens_per_parameter", static_cast<double>(config_.train.tokens) / parameters);
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
    write_npy(folders_.arrays / "loss_curve.npy", curve, {n, 2});
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
    for (const char* name : kTrainingArrays)
      if (fs::exists(folders_.arrays / name))
        write_npy(folders_.checkpoint / name, read_npy(folders_.arrays / name));
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
    for (const char* name : kTrainingArrays)
      if (fs::exists(folders_.checkpoint / name))
        write_npy(folders_.arrays / name, read_npy(folders_.checkpoint / name));
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
    write_npy(folders_.arrays / "selection_curve.npy", numbers,
              {static_cast<int64_t>(points.size()), SelectionPoint::kNumbers});
    const auto sites = model_->selection_sites();
    for (const SelectionPoint& point : points) {
      if (point.step != points.back().step) continue;
      const std::string level = "_" + std::to_string(sites[point.module].level);
      for (const auto& [name, value] : std::vector<std::pair<std::string, double>>{
               {"score_above_threshold", point.above_threshold},
               {"score_inside", point.inside},
               {"score_entropy", point.score_entropy},
               {"discarded_weight", point.discarded_weight},
               {"kept_not_above_threshold", point.kept_not_above},
               {"bypass_min", point.bypass_min},
               {"bypass_mean", point.bypass_mean},
               {"bypass_max", point.bypass_max},
               {"kept_drift", point.drift}})
        record_.metrics.push_back({name + level, value, {{"module", point.module}}, ""});
    }
  }

  void evaluate_model() {
    Evaluation out;
    out.arrays = folders_.arrays;
    start_memory_phase();
    for (size_t i = 0; i < config_.evaluate.size(); ++i) {
      say("evaluate", static_cast<double>(i) / static_cast<double>(config_.evaluate.size()));
      const TaskContext context{*model_, config_, text_ ? &*text_ : nullptr, seed_};
      catalog_.task(config_.evaluate[i].at("task"), "/evaluate")
          .evaluate(config_.evaluate[i], context, out);
    }
    record_.metrics.insert(record_.metrics.end(), out.metrics.begin(), out.metrics.end());
    end_memory_phase("evaluate");
    say("audit", 0);
    const auto& entry =
        catalog_.architecture(config_.model.at("architecture"), "/model/architecture");
    AuditSettings settings = AuditSettings::brief();
    settings.seed = static_cast<uint64_t>(seed_);
    AuditSubject subject{[&] { return fresh_model(); }, entry.expects,
                         entry.exact_cut_of(config_.model)};
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
  std::optional<TextData> text_;
  std::unique_ptr<RowSource> rows_;
  std::unique_ptr<LanguageModel> model_;
  size_t n_shape_metrics_ = 0;        ///< metrics that the configuration alone decides
  double live_at_start_ = 0;          ///< bytes of tensors when the phase began
  bool fresh_peak_resident_ = false;  ///< the kernel let the peak start anew with the phase
};

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

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
      study_folder / checkpoint_folder(trial.train_id), study_folder / "arrays" / trial.id, {}};
  if (const PlannedTrial* parent = plan.find(trial.from))
    folders.from = study_folder / checkpoint_folder(parent->train_id);
  else if (!config.train.from.empty())
    folders.from = find_checkpoint(config.train.from);
  // Of an attempt that was killed; only one process at a time has the trial.
  remove_left_overs(folders.arrays, Writers::any);
  remove_left_overs(study_folder / "records", Writers::any, trial.id + ".");
  remove_left_overs(folders.checkpoint, Writers::gone);
  remove_left_overs(study_folder / "checkpoints", Writers::gone, trial.train_id + ".");
  Record record;
  try {
    record = run_trial(config, trial.seed, folders, catalog, report);
  } catch (const std::exception& error) {
    if (!is_out_of_memory(error)) throw;
    record.config = trial.config;
    record.seed = trial.seed;
    record.outcome = "out_of_memory";
    record.detail = first_line(error.what());
  }
  record.id = trial.id;
  record.train_id = trial.train_id;
  record.study = plan.study;
  record.variant = trial.variant;
  record.probe = trial.probe;
  if (fs::is_directory(folders.arrays))
    for (const auto& entry : fs::directory_iterator(folders.arrays))
      if (!is_temporary_name(entry.path().filename().string()))
        record.arrays[entry.path().filename().string()] = sha256_hex(read_file(entry.path()));
  return record;
}

}  // namespace sublab

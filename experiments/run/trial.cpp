// A trial from its data to its record (experiments/run/trial.h).
#include "experiments/run/trial.h"

#include <algorithm>
#include <optional>

#include "core/hash.h"
#include "core/safetensors.h"
#include "core/schema/checkpoint_path.h"
#include "core/temporary_files.h"
#include "experiments/audit/audit.h"
#include "experiments/checkpoint/checkpoint_tokenizer.h"
#include "experiments/machine/tensor_memory.h"
#include "experiments/run/kept_training.h"
#include "experiments/run/memory_phase.h"
#include "experiments/run/trial_metrics.h"
#include "experiments/tasks/prompted.h"
#include "experiments/text/content.h"
#include "experiments/text/text_data.h"
#include "experiments/train/train.h"
#include "models/interchange/tensors.h"

namespace sublab {
namespace {

/// Training rows that count tokens before training, and that fit thresholds after it.
constexpr int64_t kPreparingRows = 1024, kCalibrationRows = 32;

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
  void open_data() {
    say("data", 0);
    if (config_.data.on_text()) {
      text_.emplace(config_.data);
      rows_ = text_->rows(seed_);
      record_.provenance.update(text_->provenance());
      return;
    }
    rows_ =
        catalog_.row_maker(config_.data.train_task(), "/data/train_on")
            .rows(config_.data.train_on, config_.data.context_len, static_cast<uint64_t>(seed_));
  }

  void build_model() {
    const ArchitectureEntry& entry =
        catalog_.architecture(config_.model.at("architecture"), "/model/architecture");
    model_ = entry.make(config_.model, rows_->vocab_size(), static_cast<uint64_t>(seed_),
                        catalog_.parts);
    add_size(*model_, config_, record_);
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
            config_.data.train_task()};
  }

  TokenizerIdentity tokenizer() const {
    return text_ ? identity_of(text_->tokenizer(), config_.data.tokenizer)
                 : identity_of_task(config_.data.train_task());
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
    recall_training(folders_.checkpoint, folders_.arrays, record_);
  }

  void train_model() {
    if (is_trained(folders_.checkpoint)) return take_trained();
    if (!folders_.from.empty()) start_from(folders_.from.string());
    model_->prepare(training_batches(kPreparingRows));
    const size_t n_shape_metrics = record_.metrics.size();
    const MemoryPhase memory;
    const StepShape shape = step_shape(config_.train, rows_->context_len());
    const MachineUse before = machine_use();
    const TrainingResult result = train(
        *model_, *rows_, config_.train, static_cast<uint64_t>(seed_), [&](const TrainingPoint& p) {
          const double done = static_cast<double>(p.step + 1) / static_cast<double>(shape.n_steps);
          say("train", done, p.loss_nats, p.seconds > 0 ? p.tokens / p.seconds : 0);
        });
    add_machine_use(before, machine_use(), record_);
    memory.end("train", record_);
    add_training(result, *model_, folders_.arrays, record_);
    if (result.outcome != "ok") return;
    model_->calibrate(training_batches(kCalibrationRows));
    save_checkpoint(folders_.checkpoint, *model_, info(), text_ ? &text_->tokenizer() : nullptr);
    record_.provenance["weights_hash"] = weights_hash(folders_.checkpoint);
    keep_training(folders_.checkpoint, folders_.arrays, record_, n_shape_metrics);
  }

  /// The first `n` training rows, eight to a batch.
  std::vector<Batch> training_batches(int64_t n) const {
    std::vector<Batch> batches;
    for (int64_t i = 0; i < n; i += 8) batches.push_back(make_batch(*rows_, i, 8).batch);
    return batches;
  }

  void evaluate_model() {
    Evaluation out;
    out.arrays = folders_.arrays;
    const MemoryPhase memory;
    for (size_t i = 0; i < config_.evaluate.size(); ++i) {
      say("evaluate", static_cast<double>(i) / static_cast<double>(config_.evaluate.size()));
      const TaskContext context{*model_, config_, text_ ? &*text_ : nullptr, seed_};
      run_task(catalog_.task(config_.evaluate[i].at("task"), "/evaluate"), config_.evaluate[i],
               context, out);
    }
    record_.metrics.insert(record_.metrics.end(), out.metrics.begin(), out.metrics.end());
    memory.end("evaluate", record_);
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
  std::optional<TextData> text_;
  std::unique_ptr<RowSource> rows_;
  std::unique_ptr<LanguageModel> model_;
};

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

Record run_trial(const TrialConfig& config, int64_t seed, const TrialFolders& folders,
                 const Catalog& catalog, const ReportProgress& report) {
  return Trial(config, seed, folders, catalog, report).run();
}

Record run_planned_trial(const TrialOrder& order, const fs::path& study_folder,
                         const Catalog& catalog, const ReportProgress& report) {
  const PlannedTrial& trial = order.trial;
  TrialConfig config;
  read_fields(trial.config, "trial", config);
  check_content(order.content, config);
  TrialFolders folders{.checkpoint = study_folder / checkpoint_folder(trial.train_id),
                       .arrays = study_folder / "arrays" / trial.id,
                       .from = {}};
  if (!order.from_train_id.empty())
    folders.from = study_folder / checkpoint_folder(order.from_train_id);
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
  record.study = order.study;
  record.variant = trial.variant;
  record.probe = trial.probe;
  if (fs::is_directory(folders.arrays))
    for (const auto& entry : fs::directory_iterator(folders.arrays))
      if (!is_temporary_name(entry.path().filename().string()))
        record.arrays[entry.path().filename().string()] = sha256_hex(read_file(entry.path()));
  return record;
}

}  // namespace sublab

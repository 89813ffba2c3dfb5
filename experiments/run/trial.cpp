// A trial from its data to its record (experiments/run/trial.h).
#include "experiments/run/trial.h"

#include <algorithm>
#include <optional>

#include "core/hash.h"
#include "core/npz.h"
#include "core/safetensors.h"
#include "core/schema/arrays.h"
#include "core/schema/checkpoint_path.h"
#include "core/schema/metrics.h"
#include "core/temporary_files.h"
#include "experiments/audit/audit.h"
#include "experiments/audit/audit_places.h"
#include "experiments/kinds.h"
#include "experiments/machine/device.h"
#include "experiments/machine/memory_room.h"
#include "experiments/machine/tensor_memory.h"
#include "experiments/plan/cost_estimate.h"
#include "experiments/run/kept_training.h"
#include "experiments/run/last_points.h"
#include "experiments/run/memory_phase.h"
#include "experiments/run/prompt_compressor.h"
#include "experiments/run/training_text_facts.h"
#include "experiments/run/trial_data.h"
#include "experiments/run/trial_metrics.h"
#include "experiments/run/trial_weights.h"
#include "experiments/tasks/prompted.h"
#include "experiments/text/content.h"
#include "experiments/train/train.h"
#include "models/interchange/tensors.h"

namespace sublab {
namespace {

/// Training rows that count tokens before training, and that fit thresholds after it.
constexpr int64_t kPreparingRows = 1024, kCalibrationRows = 32;

/// Leaves what the keep policy asks for in the trial's file, and says in the record what that is.
void write_arrays(const NpyMembers& arrays, const TrialFolders& folders, Record& record) {
  if (folders.keep.tuning) return;
  NpyMembers kept;
  for (const auto& [name, content] : arrays) {
    if (is_member_kept(name, record, folders.keep))
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

/// On a device, before a step is tried that could not fit: by the ledger it takes more than
/// kHopeless times what the card has in all.
void check_memory(const LanguageModel& model, const TrainConfig& config, int64_t context_len,
                  at::Device device) {
  if (device.is_cpu() || config.tokens == 0) return;
  const double total = memory_room(device).total_bytes;
  if (total > 0 && training_memory(model, config, context_len).peak > kHopeless * total)
    throw OutOfMemory("a step needs " + memory_advice(model, config, context_len, total));
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
        entry_(catalog.architecture(config.model.at("architecture"), "/model/architecture")),
        report_(report),
        device_(find_device(config.train.device, "/train/device")),
        context_len_(config.data.context_len) {}

  Record run() {
    count_tensor_bytes();
    record_.seed = seed_;
    record_.config = write_fields(config_);
    record_.environment = environment(device_);
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
  void open_data() {
    say("data", 0);
    data_.emplace(config_.data, seed_, catalog_);
    if (data_->text()) record_.provenance.update(data_->text()->provenance());
  }

  void build_model() {
    model_ = entry_.make(config_.model, data_->rows().vocab_size(),
                         {static_cast<uint64_t>(seed_), device_}, catalog_.parts);
    add_size(*model_, config_, record_);
  }

  /// What `own` comes to with the training of the weights that this one started from; nothing where
  /// they do not say it under `key`.
  std::optional<double> with_parents(const char* key, double own) const {
    const json from = record_.provenance.value("from", json());
    if (!from.is_object()) return own;
    if (!from.contains(key)) return std::nullopt;
    return own + from[key].get<double>();
  }

  void save() const {
    const Tokenizer* tokenizer = data_->text() ? &data_->text()->tokenizer() : nullptr;
    CheckpointInfo info;
    info.model = config_.model;
    info.vocab_size = data_->rows().vocab_size();
    info.context_len = context_len_;
    info.boundary_id = tokenizer ? tokenizer->boundary_id() : 0;
    info.tokenizer = tokenizer ? config_.data.tokenizer : "";
    info.numerics_version = entry_.numerics_version;
    info.trained_on = config_.data.train_task();
    info.trained_tokens = with_parents("trained_tokens", static_cast<double>(config_.train.tokens));
    info.trained_flops = with_parents("trained_flops", training_flops(*model_, config_));
    save_checkpoint(folders_.checkpoint, *model_, info, tokenizer);
  }

  void train_model() {
    if (is_trained(folders_.checkpoint)) {
      model_ = trained_model(folders_.checkpoint, config_, *data_, catalog_, device_);
      return recall_training(folders_.checkpoint, arrays_, record_);
    }
    if (!folders_.from.empty()) {
      const int64_t theirs = start_from(folders_.from, config_, *data_, catalog_, *model_, record_);
      if (config_.train.tokens == 0) context_len_ = std::min(context_len_, theirs);
    }
    model_->prepare(data_->batches(kPreparingRows, device_));
    const size_t n_shape_metrics = record_.metrics.size();
    const int64_t context = data_->rows().context_len();
    run_training();
    if (record_.outcome != "ok") return;
    const StepShape shape = step_shape(config_.train, context);
    if (data_->packed())
      add_training_text(*data_->packed(), shape.n_steps * shape.rows_per_step, config_.data,
                        arrays_, record_);
    calibrate();
    save();
    record_.provenance["weights_hash"] = weights_hash(folders_.checkpoint);
    keep_training(folders_.checkpoint, arrays_, record_, n_shape_metrics);
  }

  void run_training() {
    check_memory(*model_, config_.train, data_->rows().context_len(), device_);
    const MemoryPhase memory(device_);
    const RowSource& rows = data_->rows();
    const int64_t n_steps = step_shape(config_.train, rows.context_len()).n_steps;
    LastPoints points(config_, n_steps);
    const MachineUse before = machine_use();
    const TrainingResult result = train(
        *model_, rows, config_.train, static_cast<uint64_t>(seed_), [&](const TrainingPoint& p) {
          say("train", static_cast<double>(p.step + 1) / static_cast<double>(n_steps), p.loss_nats,
              p.seconds > 0 ? p.tokens / p.seconds : 0);
          points.look(
              p.step + 1, p.tokens, *model_, [&] { calibrate(); },
              [&](size_t i) { return ask(i); });
        });
    arrays_.insert(points.arrays().begin(), points.arrays().end());
    add_machine_use(before, machine_use(), record_);
    memory.end("train", record_);
    if (const json card = card_state(device_); !card.is_null())
      record_.environment["gpu_after_training"] = card;
    add_training(result, *model_, arrays_, record_);
  }

  void calibrate() { model_->calibrate(data_->batches(kCalibrationRows, device_)); }

  /// What the model as it stands answers to an entry of `evaluate`.
  Evaluation ask(size_t i) const {
    const TaskContext context{*model_, config_, data_->text(), seed_};
    json entry = config_.evaluate[i];
    entry.erase(condition::kLastPoints);
    const TaskEntry& task = catalog_.task(entry.at("task"), "/evaluate");
    Evaluation out(recorded_evaluation(entry, task.numerics_version, record_.provenance,
                                       device_kind(device_), compression_version(entry, catalog_)));
    const auto compressor = compressor_of(entry, context, catalog_);
    run_task(task, entry, context, out, compressor.get());
    return out;
  }

  void evaluate_model() {
    const MemoryPhase memory(device_);
    for (size_t i = 0; i < config_.evaluate.size(); ++i) {
      say("evaluate", static_cast<double>(i) / static_cast<double>(config_.evaluate.size()));
      Evaluation out = ask(i);
      if (config_.evaluate[i].contains(condition::kLastPoints)) add_last_points(arrays_, out);
      std::move(out).move_to(record_, arrays_);
    }
    memory.end("evaluate", record_);
    say("audit", 0);
    AuditSettings settings = AuditSettings::brief();
    settings.seed = static_cast<uint64_t>(seed_);
    // The trained weights once more, in a model of their own: the audit changes what it is given.
    const auto fresh = [&] {
      return load_checkpoint(folders_.checkpoint, catalog_, json::object(), device_).model;
    };
    AuditSubject subject{fresh, entry_.expects, entry_.exact_cut_of(config_.model, catalog_.parts)};
    subject.length_dependent_beyond = length_dependent_beyond(config_.model, catalog_.parts);
    subject.borders = borders_of(config_.model);
    subject.context_len = context_len_;
    if (data_->text()) subject.rows = &data_->rows();
    record_.audit = write_fields(audit_model(subject, settings));
  }

  TrialConfig config_;
  int64_t seed_;
  TrialFolders folders_;
  const Catalog& catalog_;
  const ArchitectureEntry& entry_;
  ReportProgress report_;
  at::Device device_;
  int64_t context_len_;  ///< tokens of a row that the weights were trained on
  Record record_;
  NpyMembers arrays_;  ///< by the names of members
  std::optional<TrialData> data_;
  std::unique_ptr<LanguageModel> model_;
};

/// Throws UserError where data that an entry of `evaluate` reads are not those of the plan, before
/// hours are spent on training.
void check_own_data(const TrialConfig& config, const Catalog& catalog) {
  for (size_t i = 0; i < config.evaluate.size(); ++i) {
    json entry = config.evaluate[i];
    if (!entry.contains(condition::kContent)) continue;
    entry.erase(condition::kCompression);
    entry.erase(condition::kBatch);
    entry.erase(condition::kLastPoints);
    catalog.task(entry.at("task"), "/evaluate")
        .resolve(entry, "/evaluate/" + std::to_string(i), config.data);
  }
}

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

std::string out_of_memory_detail(const std::exception& error, const TrialConfig& config,
                                 const Catalog& catalog) {
  const std::string what = first_line(error.what());
  if (dynamic_cast<const OutOfMemory*>(&error) || config.train.tokens == 0) return what;
  const at::Device device = find_device(config.train.device, "/train/device");
  const MemoryRoom room = memory_room(device);
  return what + "; a step needs " +
         memory_advice(*planned_model(config, catalog), config.train, config.data.context_len,
                       device.is_cpu() ? room.free_bytes : room.total_bytes);
}

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
  check_own_data(config, catalog);
  TrialFolders folders{
      .checkpoint = study_folder / checkpoint_folder(trial.train_id),
      .arrays = arrays_path(study_folder, trial.id),
      .from = {},
      .keep = {.tuning = trial.probe == kTuneProbe, .first_seed = order.first_seed}};
  if (!order.from_train_id.empty())
    folders.from = study_folder / checkpoint_folder(order.from_train_id);
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
    record.detail = record.outcome == "out_of_memory" ? out_of_memory_detail(error, config, catalog)
                                                      : first_line(error.what());
  }
  record.id = trial.id;
  record.train_id = trial.train_id;
  record.study = order.study;
  record.variant = trial.variant;
  record.probe = trial.probe;
  if (folders.keep.tuning) {  // its numbers alone count
    record.ledger.erase("lines");
    record.audit.erase("checks");
  }
  return record;
}

}  // namespace sublab

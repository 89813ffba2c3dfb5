// Steps of a run, and its state in a folder:
//
//   trainer.json            the run (seed, configuration), steps taken, curve, and the folder below
//   step-N/model.safetensors  weights, buffers and both moments of the optimizer
//
// trainer.json is written last and names the folder that belongs to it.
#include "experiments/train/trainer.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "models/interchange/tensors.h"

namespace sublab {
namespace trainer {

constexpr const char* kStateFile = "trainer.json";

/// What must be the same where a run goes on.
json identity_of(const TrainConfig& config, uint64_t seed, const RowSource& rows) {
  json train = write_fields(config);
  for (const char* key : {"minutes", "from", "from_other_tokenizer"}) train.erase(key);
  return {{"train", train},
          {"seed", seed},
          {"context_len", rows.context_len()},
          {"vocab_size", rows.vocab_size()}};
}

json to_json(const TrainingPoint& p) {
  return {p.step, p.tokens, p.loss_nats, p.gradient_norm, p.seconds};
}

TrainingPoint point_of(const json& from) {
  return {from.at(0), from.at(1), from.at(2), from.at(3), from.at(4)};
}

}  // namespace trainer

StepShape step_shape(const TrainConfig& config, int64_t context_len) {
  const int64_t per_pass =
      config.micro_batch_tokens > 0 ? config.micro_batch_tokens : config.batch_tokens;
  const int64_t rows_per_step = config.batch_tokens / context_len;
  const int64_t rows_per_pass = per_pass / context_len;
  if (rows_per_step < 1 || rows_per_pass < 1)
    throw UserError("/train/batch_tokens", std::to_string(std::min(config.batch_tokens, per_pass)) +
                                               " tokens hold no row of data.context_len " +
                                               std::to_string(context_len));
  const int64_t per_step = rows_per_step * context_len;
  return {rows_per_step, std::min(rows_per_pass, rows_per_step),
          (config.tokens + per_step - 1) / per_step};
}

Trainer::Trainer(LanguageModel& model, const RowSource& rows, const TrainConfig& config,
                 uint64_t seed, const Group* group)
    : model_(model),
      rows_(rows),
      config_(config),
      seed_(seed),
      group_(group),
      shape_(step_shape(config, rows.context_len())),
      optimizer_(model.parameters(), config),
      half_(config.dtype == "bfloat16" && model.dtype() == at::kFloat),
      start_(Clock::now()) {
  if (group && shape_.rows_per_step < group->size())
    throw UserError("/train/batch_tokens", "hold " + std::to_string(shape_.rows_per_step) +
                                               " rows of data.context_len, for a group of " +
                                               std::to_string(group->size()) + " ranks");
  if (half_) optimizer_.halve_weights();
}

bool Trainer::done() const { return result_.outcome != "ok" || n_steps_done() >= shape_.n_steps; }

Trainer::Share Trainer::share() const {
  const int64_t n_ranks = group_ ? group_->size() : 1, own = group_ ? group_->rank() : 0;
  const auto first_row = [&](int64_t rank) { return shape_.rows_per_step * rank / n_ranks; };
  Share out{.first_row = first_row(own),
            .n_rows = first_row(own + 1) - first_row(own),
            .passes_before = 0,
            .passes_of_all = 0};
  for (int64_t rank = 0; rank < n_ranks; ++rank) {
    const int64_t n_rows = first_row(rank + 1) - first_row(rank);
    const int64_t n_passes = (n_rows + shape_.rows_per_pass - 1) / shape_.rows_per_pass;
    if (rank < own) out.passes_before += n_passes;
    out.passes_of_all += n_passes;
  }
  return out;
}

std::vector<LabelledBatch> Trainer::passes(int64_t step) const {
  const Share own = share();
  const int64_t begin = step * shape_.rows_per_step + own.first_row;
  std::vector<LabelledBatch> out;
  for (int64_t row = 0; row < own.n_rows; row += shape_.rows_per_pass)
    out.push_back(make_batch(rows_, begin + row, std::min(shape_.rows_per_pass, own.n_rows - row),
                             model_.device()));
  return out;
}

bool Trainer::step() {
  const int64_t step = n_steps_done();
  const double n_steps = static_cast<double>(shape_.n_steps);
  const int64_t every = std::max<int64_t>(1, shape_.n_steps / kWatchedSteps);
  SelectionMonitor monitor(step);
  const Share own = share();
  StepSettings settings;
  // The rate of the step that is being taken: a warm-up from 0 would waste the first one.
  settings.learning_rate = learning_rate_at(config_, (static_cast<double>(step) + 1) / n_steps);
  settings.progress = static_cast<double>(step) / n_steps;
  settings.step = step;
  settings.seed = seed_;
  settings.first_pass = static_cast<uint64_t>(step * own.passes_of_all + own.passes_before);
  settings.recompute = config_.recompute;
  settings.tf32 = config_.dtype == "tf32";
  settings.group = group_;
  if (step % every == 0) settings.observer = &monitor;
  const bool last = step + 1 >= shape_.n_steps;
  std::vector<LabelledBatch> next;
  settings.meanwhile = [&] { next = last ? next : passes(step + 1); };
  const auto now = next_.empty() ? passes(step) : std::exchange(next_, {});
  const StepResult taken = optimizer_step(model_, optimizer_, now, settings);
  next_ = std::move(next);
  result_.tokens += taken.n_tokens;
  result_.selection.insert(result_.selection.end(), monitor.points().begin(),
                           monitor.points().end());
  if (!taken.finite()) {
    result_.outcome = "diverged";
    result_.detail = "the loss or its gradient is not finite at step " + std::to_string(step);
    return false;
  }
  result_.curve.push_back({.step = step,
                           .tokens = result_.tokens,
                           .loss_nats = taken.loss_nats,
                           .gradient_norm = taken.gradient_norm,
                           .seconds = seconds()});
  if (config_.minutes > 0 && seconds() > 60 * config_.minutes) {
    result_.outcome = "timed_out";
    result_.detail = "after " + std::to_string(step + 1) + " of " + std::to_string(shape_.n_steps) +
                     " steps (train.minutes)";
  }
  return true;
}

TrainingResult Trainer::finish() {
  if (half_) optimizer_.restore_weights();
  half_ = false;
  result_.seconds = seconds();
  return std::move(result_);
}

std::vector<StoredTensor> Trainer::state() const {
  std::vector<StoredTensor> out = optimizer_.state();
  for (const Buffer& buffer : model_.buffers()) out.push_back({buffer.name, {buffer.tensor}, ""});
  return out;
}

void Trainer::save(const fs::path& folder) const {
  if (group_) group_->barrier();
  if (!group_ || group_->rank() == 0) {
    const std::string tensors = "step-" + std::to_string(n_steps_done());
    make_writable_folder(folder / tensors);
    write_tensors(folder / tensors / "model.safetensors", state());
    json curve = json::array(), selection = json::array();
    for (const TrainingPoint& point : result_.curve) curve.push_back(trainer::to_json(point));
    for (const SelectionPoint& point : result_.selection) selection.push_back(point.numbers());
    const json written = {{"run", trainer::identity_of(config_, seed_, rows_)},
                          {"tensors", tensors},
                          {"updates", optimizer_.updates()},
                          {"tokens", result_.tokens},
                          {"seconds", seconds()},
                          {"curve", curve},
                          {"selection", selection}};
    write_file_durably(folder / trainer::kStateFile, written.dump() + "\n");
    for (const fs::path& other : folder_entries(folder))
      if (other.filename().string().starts_with("step-") && other.filename() != tensors)
        fs::remove_all(other);
  }
  if (group_) group_->barrier();
}

void Trainer::load(const fs::path& folder) {
  const fs::path path = folder / trainer::kStateFile;
  const json read = parse_json(read_file(path), path.string());
  const json own = trainer::identity_of(config_, seed_, rows_), theirs = read.at("run");
  if (own != theirs)
    throw UserError(path.string(),
                    "is the state of another run: " + json::diff(theirs, own).dump());
  read_tensors(folder / read.at("tensors").get<std::string>(), state());
  optimizer_.loaded(read.at("updates").get<std::map<std::string, int64_t>>());
  result_ = {};
  next_.clear();
  for (const json& point : read.at("curve")) result_.curve.push_back(trainer::point_of(point));
  for (const json& point : read.at("selection"))
    result_.selection.push_back(SelectionPoint::of(point.get<std::vector<double>>()));
  result_.tokens = read.at("tokens");
  seconds_before_ = read.at("seconds");
  start_ = Clock::now();
}

}  // namespace sublab

// Grants rounds, and goes on where one variant does not fit (experiments/measure/rounds.h).
#include "experiments/measure/rounds.h"

#include <algorithm>

#include "analysis/text/format.h"
#include "core/random.h"
#include "experiments/machine/device.h"
#include "experiments/machine/memory_room.h"
#include "experiments/measure/balanced_turns.h"
#include "experiments/measure/card_watch.h"

namespace sublab {
namespace rounds {

/// How often a round repeats its work, so that the reference takes about a fifth of a second.
int64_t repeats_for(double seconds_once) {
  constexpr double kRoundSeconds = 0.2;
  return std::clamp<int64_t>(static_cast<int64_t>(kRoundSeconds / std::max(seconds_once, 1e-6)), 1,
                             64);
}

std::string condition_text(const RoundOrder& order) {
  return order.mode + ", context " + std::to_string(order.context) + ", batch " +
         std::to_string(order.batch);
}

bool any_ran_out(const std::vector<SubjectRounds>& cell) {
  return std::any_of(cell.begin(), cell.end(), [](const auto& subject) { return !subject.ran(); });
}

}  // namespace rounds

Coordinator::Coordinator(const Plan& plan, const fs::path& folder,
                         const std::vector<MeasuredModel>& models, at::Device device,
                         const Calibration& rates, ProgressLine& progress,
                         const std::function<bool()>& stop)
    : plan_(plan),
      folder_(folder),
      models_(models),
      device_(device),
      rates_(rates),
      progress_(progress),
      stop_(stop),
      total_bytes_(memory_room(device).total_bytes) {
  read_fields(plan.measure, "plan.json: /measure", config_);
  for (size_t i = 0; i < models.size(); ++i)
    if (models[i].trial.variant == plan.compare_to) reference_ = i;
}

std::optional<std::vector<BenchMeasurement>> Coordinator::run() {
  std::vector<BenchMeasurement> out;
  const size_t total = config_.modes.size() * config_.context.size() * config_.batch.size();
  for (const std::string& mode : config_.modes) {
    start_mode(mode);
    for (const int64_t context : config_.context)
      for (const int64_t batch : config_.batch) {
        conditions_done_ = static_cast<double>(out.size()) / static_cast<double>(total);
        condition_share_ = 1.0 / static_cast<double>(total);
        auto measured = measure(order_of_cell(mode, context, batch));
        if (!measured || stopped()) return std::nullopt;
        out.push_back(std::move(*measured));
      }
  }
  return out;
}

/// Every variant, and the reference once more at the end. Each mode has processes of its own: what
/// training leaves behind is no part of what inference takes.
void Coordinator::start_mode(const std::string& mode) {
  slots_.clear();
  subjects_.clear();
  const auto add = [&](const MeasuredModel& model, bool again) {
    subjects_.push_back({slots_.size(), again});
    slots_.push_back(
        {&model, "bench-" + mode + "-" + model.trial.id + (again ? "-again" : ""), nullptr});
  };
  for (const MeasuredModel& model : models_) add(model, false);
  if (reference_shares_process(mode))
    subjects_.push_back({reference_, true});
  else
    add(models_[reference_], true);
  for (Slot& slot : slots_) start(slot);
}

std::vector<CellMemory> Coordinator::memory_of(const std::string& mode, int64_t context,
                                               int64_t batch) const {
  std::vector<CellMemory> out;
  for (const MeasuredModel& model : models_)
    out.push_back(cell_memory(model, mode, context, batch, config_));
  return out;
}

bool Coordinator::is_hopeless(const CellMemory& memory) const {
  return total_bytes_ > 0 && memory.peak > kHopeless * total_bytes_;
}

/// As any of its cells needs it that can be tried at all.
bool Coordinator::reference_shares_process(const std::string& mode) const {
  if (device_.is_cpu()) return false;
  for (const int64_t context : config_.context)
    for (const int64_t batch : config_.batch) {
      const auto memory = memory_of(mode, context, batch);
      const bool hopeless = std::any_of(memory.begin(), memory.end(),
                                        [&](const auto& one) { return is_hopeless(one); });
      if (!hopeless && share_memory(memory, reference_, total_bytes_).reference_shares_process)
        return true;
    }
  return false;
}

RoundOrder Coordinator::order_of_cell(const std::string& mode, int64_t context,
                                      int64_t batch) const {
  RoundOrder order{.mode = mode,
                   .context = context,
                   .batch = batch,
                   .decode_tokens = config_.decode_tokens,
                   .flops_per_s = rates_.flops_per_s_by_dtype(),
                   .bytes_per_s = rates_.read_bytes_per_s(),
                   .dtype = config_.dtype};
  order.gives_memory_back =
      !device_.is_cpu() &&
      share_memory(memory_of(mode, context, batch), reference_, total_bytes_).gives_memory_back;
  return order;
}

std::optional<BenchMeasurement> Coordinator::measure(RoundOrder order) {
  CardWatch card([this] { return card_state(device_); });
  std::function<void()> look;
  if (!device_.is_cpu()) look = [&card] { card.sample(); };
  auto cell = try_cell(order, look);
  // By the ledger all fitted beside each other, and yet one did not: once more, each alone.
  if (rounds::any_ran_out(cell) && !device_.is_cpu() && !order.gives_memory_back) {
    order.gives_memory_back = true;
    cell = try_cell(order, look);
  }
  if (cell.empty()) return std::nullopt;
  for (const SubjectRounds& subject : cell)
    if (!subject.ran() && !subject.repeat_of_reference)
      progress_.note("speed: " + rounds::condition_text(order) + ": " + subject.trial->variant +
                     " is out of memory (" + megabytes(subject.ledger_memory_bytes) +
                     " by the ledger): " + subject.out_of_memory);
  BenchMeasurement out = measurement_of(order, cell, plan_.compare_to);
  out.card = card.end();
  out.reference_shares_process = subjects_.back().again && subjects_.back().slot == reference_;
  return out;
}

std::vector<SubjectRounds> Coordinator::subjects_of(const RoundOrder& order) const {
  const auto memory = memory_of(order.mode, order.context, order.batch);
  std::vector<SubjectRounds> out;
  for (const Subject& subject : subjects_) {
    const MeasuredModel& model = *slots_[subject.slot].model;
    const CellMemory& own = memory.at(static_cast<size_t>(&model - models_.data()));
    out.push_back({&model.trial, subject.again, own.peak, {}, ""});
    if (is_hopeless(own))
      out.back().out_of_memory = "not tried: there are " + megabytes(total_bytes_) + " in all";
  }
  return out;
}

std::vector<SubjectRounds> Coordinator::try_cell(RoundOrder order,
                                                 const std::function<void()>& while_waiting) {
  auto cell = subjects_of(order);
  if (order.gives_memory_back) give_memory_back();
  order.repeats = rounds::repeats_for(warm_up(order, cell));
  const auto turns = balanced_turns(subjects_.size(), stream_key(1, "rounds"));
  for (int64_t round = 0; round < config_.rounds; ++round) {
    if (stopped()) return {};
    order.round = round;
    progress_.show(conditions_done_ + condition_share_ * static_cast<double>(round) /
                                          static_cast<double>(config_.rounds),
                   "speed: " + order.mode + ", round " + std::to_string(round + 1));
    for (const size_t i : turns[static_cast<size_t>(round) % turns.size()])
      if (auto result = ask(i, order, cell, while_waiting))
        cell[i].rounds.push_back(std::move(*result));
  }
  return cell;
}

/// With the same shape, twice: the first also builds caches.
double Coordinator::warm_up(const RoundOrder& order, std::vector<SubjectRounds>& cell) {
  double reference_seconds = 0, first_seconds = 0;
  for (size_t i = 0; i < cell.size(); ++i) {
    if (!ask(i, order, cell)) continue;
    const auto second = ask(i, order, cell);
    if (!second) continue;
    if (first_seconds == 0) first_seconds = second->seconds;
    if (cell[i].trial->variant == plan_.compare_to) reference_seconds = second->seconds;
  }
  return reference_seconds > 0 ? reference_seconds : first_seconds;
}

std::optional<RoundResult> Coordinator::ask(size_t subject, const RoundOrder& order,
                                            std::vector<SubjectRounds>& cell,
                                            const std::function<void()>& while_waiting) {
  if (!cell[subject].ran()) return std::nullopt;
  Slot& slot = slots_[subjects_[subject].slot];
  if (!slot.process) start(slot);
  RoundResult result = slot.process->ask(order, while_waiting);
  if (result.ran()) return result;
  slot.process.reset();  // started again for the next condition
  for (size_t i = 0; i < cell.size(); ++i)
    if (subjects_[i].slot == subjects_[subject].slot) {
      cell[i].out_of_memory = result.detail;
      cell[i].rounds.clear();
    }
  return std::nullopt;
}

void Coordinator::start(Slot& slot) {
  slot.process = std::make_unique<BenchWorker>(plan_, slot.model->trial, folder_, slot.log);
}

/// Of every process, before the first of them needs it.
void Coordinator::give_memory_back() {
  RoundOrder order;
  order.mode = kGiveBack;
  for (Slot& slot : slots_)
    if (slot.process && !slot.process->ask(order).ran()) slot.process.reset();
}

}  // namespace sublab

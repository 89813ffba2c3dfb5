// The worker's side of experiments/measure/measure.h: rounds of one variant, and what they took.
#include <cstdlib>
#include <iostream>
#include <optional>

#include "analysis/statistics/statistics.h"
#include "experiments/checkpoint/checkpoint.h"
#include "experiments/machine/device.h"
#include "experiments/machine/stopwatch.h"
#include "experiments/machine/tensor_memory.h"
#include "experiments/measure/measure.h"
#include "experiments/measure/round_cost.h"
#include "experiments/measure/round_text.h"
#include "experiments/text/content.h"
#include "experiments/train/step.h"
#include "models/interchange/tensors.h"
#include "models/parts/lm_head.h"

namespace sublab {
namespace {

/// A variant's model, with its trained weights where they stand.
struct ResidentModel {
  ResidentModel(const TrialConfig& config, const fs::path& checkpoint, int64_t vocab_size,
                const Catalog& catalog, at::Device device) {
    if (fs::exists(checkpoint / "config.json")) {
      model = load_checkpoint(checkpoint, catalog, json::object(), device).model;
      return;
    }
    const ArchitectureEntry& entry =
        catalog.architecture(config.model.at("architecture"), "/model/architecture");
    model = entry.make(config.model, vocab_size, {1, device}, catalog.parts);
    if (const auto sites = model->selection_sites(); !sites.empty())
      assumed = std::make_unique<EvenKeeps>(sites);
  }

  /// Weights of this number format from here on. Training, which has its own, never comes after it:
  /// each mode has processes of its own.
  void convert(const std::string& dtype) {
    const auto type = dtype == "bfloat16" ? at::kBFloat16 : at::kFloat;
    if (model->dtype() != type) convert_model(*model, type);
  }

  Run run(Mode mode, KeepCounter& counter) const {
    Run out;
    out.mode = mode;
    out.observer = &counter;
    out.forced = assumed.get();
    return out;
  }

  std::unique_ptr<LanguageModel> model;
  std::unique_ptr<KeepRule> assumed;  ///< keeps of weights that are not trained
};

/// Training steps, at learning rate 0, which costs the same and moves nothing.
class TrainRounds {
 public:
  TrainRounds(const ResidentModel& subject, const TrainConfig& config)
      : subject_(subject), config_(config), optimizer_(subject.model->parameters(), config) {}

  void run(const RoundOrder& order, const RoundInputs& inputs, RoundKeeps& keeps,
           RoundResult& result) {
    std::vector<std::vector<LabelledBatch>> steps;
    for (int64_t i = 0; i < static_cast<int64_t>(inputs.n_sets()); ++i)
      steps.push_back({batch_of(order, inputs.of(i))});
    StepSettings settings;
    settings.first_pass = static_cast<uint64_t>(order.round);
    settings.recompute = config_.recompute;
    settings.tf32 = config_.dtype == "tf32";
    settings.forced = subject_.assumed.get();
    settings.observer = &keeps.counter;
    const bool half = config_.dtype == "bfloat16";
    if (half) optimizer_.halve_weights();
    const Stopwatch watch(subject_.model->device());
    for (int64_t i = 0; i < order.repeats; ++i)
      optimizer_step(*subject_.model, optimizer_, steps[static_cast<size_t>(i) % steps.size()],
                     settings);
    result.seconds = watch.seconds();
    if (half) optimizer_.restore_weights();
    result.dtype = config_.dtype;
    result.tokens = static_cast<double>(order.repeats * order.batch * order.context);
  }

 private:
  static LabelledBatch batch_of(const RoundOrder& order, const at::Tensor& text) {
    const at::Tensor labels = text.slice(1, 1).reshape({-1});
    return {{text.slice(1, 0, order.context).reshape({-1}),
             Rows::contiguous(std::vector<int64_t>(order.batch, order.context))},
            labels,
            labels.numel()};
  }

  const ResidentModel& subject_;
  TrainConfig config_;
  AdamW optimizer_;
};

/// Reads the prompt, up to the logits of the first new token.
void read_prompt(const LanguageModel& model, const RoundOrder& order, const at::Tensor& text,
                 const Run& run, DecodeState& state) {
  const Batch batch = continue_rows(state, text.slice(1, 0, order.context).reshape({-1}),
                                    std::vector<int64_t>(order.batch, order.context));
  next_logits(run_model(model, batch, &state, run), *batch.rows, model.head_weight());
}

void prefill(const ResidentModel& subject, const RoundOrder& order, const RoundInputs& inputs,
             RoundKeeps& keeps, RoundResult& result) {
  const LanguageModel& model = *subject.model;
  const Run run = subject.run(Mode::step, keeps.counter);
  std::vector<double> first_ms;
  for (int64_t i = 0; i < order.repeats; ++i) {
    const Stopwatch watch(model.device());
    const auto state = model.new_state(order.batch, order.context);
    read_prompt(model, order, inputs.of(i), run, *state);
    first_ms.push_back(watch.seconds() * 1e3);
    result.seconds += first_ms.back() / 1e3;
  }
  result.time_to_first_token_ms = median(first_ms);
  result.tokens = static_cast<double>(order.repeats * order.batch * order.context);
}

/// Decoding, text after text in one state where it can start over: what a device was made ready for
/// in one round serves the next.
class DecodeRounds {
 public:
  explicit DecodeRounds(const ResidentModel& subject) : subject_(subject) {}

  /// What it holds between rounds.
  void release() { state_.reset(); }

  /// The prompt is read before the clock starts; then text follows it token by token.
  void run(const RoundOrder& order, const RoundInputs& inputs, RoundKeeps& keeps,
           RoundResult& result) {
    const LanguageModel& model = *subject_.model;
    std::vector<double> first_ms, step_ms;
    for (int64_t i = 0; i < order.repeats; ++i) {
      const at::Tensor& text = inputs.of(i);
      const Stopwatch reading(model.device());
      DecodeState& state = empty_state(order);
      read_prompt(model, order, text, subject_.run(Mode::step, keeps.past), state);
      first_ms.push_back(reading.seconds() * 1e3);
      const Run run = subject_.run(Mode::step, keeps.counter);
      Laps laps(model.device());
      for (int64_t t = 0; t < order.decode_tokens; ++t) {
        const Batch batch = continue_rows(state, text.select(1, order.context + t).contiguous(),
                                          std::vector<int64_t>(order.batch, 1));
        next_logits(run_model(model, batch, &state, run), *batch.rows, model.head_weight());
        laps.mark();
      }
      for (const double seconds : laps.seconds()) {
        step_ms.push_back(seconds * 1e3);
        result.seconds += seconds;
      }
      result.kv_cache_bytes = static_cast<double>(state.n_bytes());
    }
    keeps.past.add_tokens(keeps.counter, 0.5);
    result.time_to_first_token_ms = median(first_ms);
    result.token_latency_ms = median(step_ms);
    result.token_latency_ms_p95 = percentile(step_ms, 0.95);
    result.tokens = static_cast<double>(order.repeats * order.batch * order.decode_tokens);
  }

 private:
  DecodeState& empty_state(const RoundOrder& order) {
    const std::pair<int64_t, int64_t> shape{order.batch, order.context + order.decode_tokens};
    if (!state_ || shape != shape_ || !state_->clear()) {
      state_.reset();  // before the next one takes its memory
      state_ = subject_.model->new_state(shape.first, shape.second);
      shape_ = shape;
    }
    return *state_;
  }

  const ResidentModel& subject_;
  std::pair<int64_t, int64_t> shape_;
  std::unique_ptr<DecodeState> state_;
};

/// Answers rounds with one variant's model.
class RoundServer {
 public:
  RoundServer(const TrialConfig& config, const fs::path& checkpoint, const Catalog& catalog)
      : config_(config),
        text_(config.data, catalog.data),
        device_(find_device(config.train.device, "/train/device")),
        subject_(config, checkpoint, text_.vocab_size(), catalog, device_) {}

  RoundResult run(const RoundOrder& order) {
    if (order.mode == kGiveBack) {
      give_memory_back();
      return {};
    }
    if (order.gives_memory_back) {
      RoundOrder once = order;
      once.repeats = 1;
      RoundResult ignored;
      work(once, ignored);  // takes again from the driver what was given back after the last round
    }
    RoundResult result;
    result.assumed_keeps = subject_.assumed != nullptr;
    result.device = device_kind(device_);
    reset_peak_tensor_bytes(device_);
    const RoundKeeps keeps = work(order, result);
    add_round_cost(*subject_.model, order, keeps, config_.train.recompute, result);
    add_memory(result);
    if (order.gives_memory_back) give_memory_back();
    return result;
  }

 private:
  RoundKeeps work(const RoundOrder& order, RoundResult& result) {
    RoundKeeps keeps;
    if (order.mode == "train") {
      if (!training_) training_.emplace(subject_, config_.train);
      training_->run(order, text_.inputs(order, order.context + 1, device_), keeps, result);
    } else {
      at::NoGradGuard no_grad;
      const bool decodes = order.mode == "decode";
      const RoundInputs inputs =
          text_.inputs(order, order.context + (decodes ? order.decode_tokens : 0), device_);
      subject_.convert(order.dtype);
      result.dtype = order.dtype;
      if (decodes)
        decoding_.run(order, inputs, keeps, result);
      else
        prefill(subject_, order, inputs, keeps, result);
    }
    return keeps;
  }

  void give_memory_back() {
    decoding_.release();
    release_cached_memory(device_);
  }

  void add_memory(RoundResult& result) const {
    result.peak_memory_bytes = static_cast<double>(peak_tensor_bytes(device_));
    const auto memory = device_memory(device_);
    if (!memory) return;
    result.peak_reserved_bytes = static_cast<double>(memory->peak_reserved_bytes);
    result.driver_used_bytes = static_cast<double>(memory->driver_used_bytes);
  }

  TrialConfig config_;
  RoundText text_;
  at::Device device_;
  ResidentModel subject_;
  std::optional<TrainRounds> training_;
  DecodeRounds decoding_{subject_};
};

void answer(const RoundResult& result) { std::cout << write_fields(result).dump() << std::endl; }

/// Answers every order until the input ends.
void serve(RoundServer& server) {
  std::string line;
  while (std::getline(std::cin, line)) {
    RoundOrder order;
    read_fields(parse_json(line, "bench"), "bench", order);
    answer(server.run(order));
  }
}

}  // namespace

void serve_rounds(const TrialOrder& ordered, const fs::path& study_folder, const Catalog& catalog,
                  double memory_budget_bytes) {
  count_tensor_bytes();
  TrialConfig config;
  read_fields(ordered.trial.config, "trial", config);
  if (!config.data.on_text())
    throw UserError("bench", ordered.trial.variant + " is not trained on text");
  check_content(ordered.content, config);
  try {
    RoundServer server(config, study_folder / checkpoint_folder(ordered.trial.train_id), catalog);
    limit_tensor_bytes(static_cast<int64_t>(memory_budget_bytes));
    serve(server);
  } catch (const std::exception& error) {
    if (!is_out_of_memory(error)) throw;
    const std::string what = error.what();
    RoundResult result;
    result.outcome = "out_of_memory";
    result.detail = what.substr(0, what.find('\n'));
    answer(result);
    std::_Exit(kOutOfMemoryExit);
  }
}

}  // namespace sublab

// The worker's side of experiments/measure/measure.h.
#include <cstdlib>
#include <iostream>
#include <optional>

#include "analysis/statistics/statistics.h"
#include "experiments/checkpoint/checkpoint.h"
#include "experiments/machine/calibrate.h"
#include "experiments/machine/stopwatch.h"
#include "experiments/machine/tensor_memory.h"
#include "experiments/measure/measure.h"
#include "experiments/observe/keep_counter.h"
#include "experiments/text/content.h"
#include "experiments/text/text_data.h"
#include "experiments/train/optimizer.h"
#include "models/parts/lm_head.h"

namespace sublab {
namespace {

/// A round's keeps, as its ledger needs them.
struct Keeps {
  KeepCounter counter;  ///< of the work that is timed
  KeepCounter past;     ///< of what half of a decode round's steps see in the caches
};

class RoundServer {
 public:
  RoundServer(const PlannedTrial& trial, const fs::path& folder, const Catalog& catalog) {
    read_fields(trial.config, "plan.json", config_);
    if (config_.data.train_on != "text")
      throw UserError("bench", trial.variant + " is not trained on text");
    check_content(read_plan(folder).content, config_);
    text_.emplace(config_.data, catalog.data);
    const fs::path checkpoint = folder / checkpoint_folder(trial.train_id);
    if (fs::exists(checkpoint / "config.json")) {
      model_ = load_checkpoint(checkpoint, catalog).model;
    } else {
      const ArchitectureEntry& entry =
          catalog.architecture(config_.model.at("architecture"), "/model/architecture");
      model_ = entry.make(config_.model, text_->tokenizer().vocab_size(), 1, catalog.parts);
      if (!model_->selection_sites().empty())
        assumed_ = std::make_unique<EvenKeeps>(model_->selection_sites());
    }
  }

  RoundResult run(const RoundOrder& order) {
    RoundResult result;
    result.assumed_keeps = assumed_ != nullptr;
    reset_peak_tensor_bytes();
    Keeps keeps;
    if (order.mode == "train")
      train(order, keeps, result);
    else if (order.mode == "prefill")
      prefill(order, keeps, result);
    else
      decode(order, keeps, result);
    result.kept_fraction = keeps.counter.fractions();
    result.reached_fraction = keeps.counter.reached();
    add_cost(order, keeps, result);
    result.peak_memory_bytes = static_cast<double>(peak_tensor_bytes());
    return result;
  }

 private:
  Run new_run(Mode mode, KeepCounter& counter) const {
    Run run;
    run.mode = mode;
    run.observer = &counter;
    run.forced = assumed_.get();
    return run;
  }

  /// `n` tokens of validation text for row `row` of round `round`; the same for every variant.
  std::vector<int64_t> text_row(int64_t round, int64_t row, int64_t n) const {
    const TokenShard& shard = text_->split(Split::validation);
    if (shard.n_tokens() == 0) throw UserError("measure", "the validation split holds no text");
    const int64_t room = std::max<int64_t>(1, shard.n_tokens() - n);
    const auto first = static_cast<int64_t>(
        stream_key(7, "bench", static_cast<uint64_t>(round), static_cast<uint64_t>(row)) %
        static_cast<uint64_t>(room));
    std::vector<int64_t> out{text_->tokenizer().boundary_id()};
    for (int64_t i = 0; i + 1 < n; ++i) out.push_back(shard.token((first + i) % shard.n_tokens()));
    return out;
  }

  at::Tensor text_rows(const RoundOrder& order, int64_t n) const {
    std::vector<int64_t> all;
    for (int64_t b = 0; b < order.batch; ++b) {
      const auto row = text_row(order.round, b, n);
      all.insert(all.end(), row.begin(), row.end());
    }
    return at::tensor(all, at::kLong).view({order.batch, n});
  }

  /// Forward, backward and an update at learning rate 0, which costs the same and moves nothing.
  void train(const RoundOrder& order, Keeps& keeps, RoundResult& result) {
    if (!optimizer_) optimizer_.emplace(model_->parameters(), config_.train);
    const at::Tensor text = text_rows(order, order.context + 1);
    const at::Tensor labels = text.slice(1, 1).reshape({-1});
    const Batch batch{text.slice(1, 0, order.context).reshape({-1}),
                      Rows::contiguous(std::vector<int64_t>(order.batch, order.context))};
    const Coins coins(1, static_cast<uint64_t>(order.round));
    Run run = new_run(Mode::train, keeps.counter);
    run.coins = &coins;
    run.recompute = config_.train.recompute;
    const bool half = config_.train.dtype == "bfloat16";
    if (half) optimizer_->halve_weights();
    const auto start = Clock::now();
    for (int64_t i = 0; i < order.repeats; ++i) {
      const at::Tensor hidden = run_model(*model_, batch, nullptr, run);
      lm_loss(hidden, model_->head_weight(), labels, static_cast<double>(labels.numel()))
          .backward();
      optimizer_->clip_gradients();
      optimizer_->step(0);
    }
    result.seconds = seconds_since(start);
    if (half) optimizer_->restore_weights();
    result.dtype = config_.train.dtype;
    result.tokens = static_cast<double>(order.repeats * order.batch * order.context);
  }

  std::unique_ptr<DecodeState> prefilled(const RoundOrder& order, const at::Tensor& text,
                                         const Run& run, int64_t room) const {
    auto state = model_->new_state(order.batch, order.context + room);
    const Batch batch = continue_rows(*state, text.slice(1, 0, order.context).reshape({-1}),
                                      std::vector<int64_t>(order.batch, order.context));
    next_logits(run_model(*model_, batch, state.get(), run), *batch.rows, model_->head_weight());
    return state;
  }

  void prefill(const RoundOrder& order, Keeps& keeps, RoundResult& result) {
    at::NoGradGuard no_grad;
    const at::Tensor text = text_rows(order, order.context);
    const Run run = new_run(Mode::step, keeps.counter);
    std::vector<double> first_ms;
    for (int64_t i = 0; i < order.repeats; ++i) {
      const auto start = Clock::now();
      prefilled(order, text, run, 0);
      first_ms.push_back(seconds_since(start) * 1e3);
      result.seconds += first_ms.back() / 1e3;
    }
    result.time_to_first_token_ms = median(first_ms);
    result.tokens = static_cast<double>(order.repeats * order.batch * order.context);
  }

  /// The prompt is read before the clock starts; then text follows it token by token.
  void decode(const RoundOrder& order, Keeps& keeps, RoundResult& result) {
    at::NoGradGuard no_grad;
    const at::Tensor text = text_rows(order, order.context + order.decode_tokens);
    std::vector<double> first_ms, step_ms;
    for (int64_t i = 0; i < order.repeats; ++i) {
      const auto read = Clock::now();
      const auto state =
          prefilled(order, text, new_run(Mode::step, keeps.past), order.decode_tokens);
      first_ms.push_back(seconds_since(read) * 1e3);
      const Run run = new_run(Mode::step, keeps.counter);
      for (int64_t t = 0; t < order.decode_tokens; ++t) {
        const auto start = Clock::now();
        const Batch batch = continue_rows(*state, text.select(1, order.context + t).contiguous(),
                                          std::vector<int64_t>(order.batch, 1));
        next_logits(run_model(*model_, batch, state.get(), run), *batch.rows,
                    model_->head_weight());
        step_ms.push_back(seconds_since(start) * 1e3);
        result.seconds += step_ms.back() / 1e3;
      }
      result.kv_cache_bytes = static_cast<double>(state->n_bytes());
    }
    keeps.past.add_tokens(keeps.counter, 0.5);
    result.time_to_first_token_ms = median(first_ms);
    result.token_latency_ms = median(step_ms);
    result.token_latency_ms_p95 = percentile(step_ms, 0.95);
    result.tokens = static_cast<double>(order.repeats * order.batch * order.decode_tokens);
  }

  /// The ledger of one pass at what the round kept: whole rows, or a step in the middle of it.
  void add_cost(const RoundOrder& order, const Keeps& keeps, RoundResult& result) const {
    const bool decoding = order.mode == "decode", training = order.mode == "train";
    CostShape shape = decoding
                          ? CostShape::decode(order.batch, order.context + order.decode_tokens / 2)
                          : CostShape::whole_rows(order.batch, order.context);
    shape.kept_fraction = result.kept_fraction;
    shape.reached_fraction = result.reached_fraction;
    if (decoding) shape.past_kept_fraction = keeps.past.fractions();
    Ledger ledger;
    model_->add_cost(shape, ledger);
    const double tokens = static_cast<double>(decoding ? order.batch : order.batch * order.context);
    for (const LedgerLine& line : ledger.lines()) {
      const bool again = training && config_.train.recompute && line.layer >= 0;
      const double passes = (training ? 3 : 1) + again;
      // Prefill gives the head the last token of each row only.
      const bool last_only = order.mode == "prefill" && line.part == "head";
      const double flops =
          passes * line.flops_causal / static_cast<double>(last_only ? order.context : 1);
      const double bytes = passes * line.bytes;
      result.flops_per_token += flops / tokens;
      result.bytes_per_token += bytes / tokens;
      result.cost += (decoding ? bytes : flops) / tokens;
      if (order.flops_per_s > 0)
        result.roofline_s +=
            roofline_seconds(flops, bytes, order.flops_per_s, order.bytes_per_s) / tokens;
    }
  }

  TrialConfig config_;
  std::optional<TextData> text_;
  std::unique_ptr<LanguageModel> model_;
  std::unique_ptr<KeepRule> assumed_;
  std::optional<AdamW> optimizer_;
};

}  // namespace

void serve_rounds(const PlannedTrial& trial, const fs::path& study_folder, const Catalog& catalog,
                  double memory_budget_bytes) {
  count_tensor_bytes();
  RoundServer server(trial, study_folder, catalog);
  limit_tensor_bytes(static_cast<int64_t>(memory_budget_bytes));
  std::string line;
  while (std::getline(std::cin, line)) {
    RoundOrder order;
    read_fields(parse_json(line, "bench"), "bench", order);
    try {
      std::cout << write_fields(server.run(order)).dump() << std::endl;
    } catch (const std::exception& error) {
      if (memory_budget_bytes <= 0 || !is_out_of_memory(error)) throw;
      std::_Exit(kOverBudgetExit);
    }
  }
}

}  // namespace sublab

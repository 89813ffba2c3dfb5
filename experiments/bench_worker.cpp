// The worker's side of experiments/measure.h.
#include <chrono>
#include <iostream>
#include <optional>

#include "experiments/checkpoint.h"
#include "experiments/environment.h"
#include "experiments/keep_counter.h"
#include "experiments/measure.h"
#include "experiments/optimizer.h"
#include "experiments/text_data.h"
#include "models/parts/lm_head.h"

namespace sublab {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class BenchWorker {
 public:
  BenchWorker(const PlannedTrial& trial, const fs::path& folder, const Catalog& catalog) {
    read_fields(trial.config, "plan.json", config_);
    if (config_.data.train_on != "text")
      throw UserError("bench", trial.variant + " is not trained on text");
    text_.emplace(config_.data);
    const fs::path checkpoint = folder / "checkpoints" / trial.train_id;
    if (fs::exists(checkpoint / "config.json")) {
      model_ = load_checkpoint(checkpoint, catalog).model;
    } else {
      const ArchitectureEntry& entry =
          catalog.architecture(config_.model.at("architecture"), "/model/architecture");
      model_ = entry.make(config_.model, text_->tokenizer().vocab_size(), 1, catalog.parts);
      if (!model_->retention().empty()) assumed_ = std::make_unique<EvenKeeps>(model_->retention());
    }
    TrainConfig frozen = config_.train;
    optimizer_.emplace(model_->parameters(), frozen);
    resident_ = resident_bytes();
  }

  RoundResult run(const RoundOrder& order) {
    RoundResult result;
    result.assumed_keeps = assumed_ != nullptr;
    reset_peak_resident();
    KeepCounter counter;
    if (order.mode == "train")
      train(order, counter, result);
    else if (order.mode == "prefill")
      prefill(order, counter, result);
    else
      decode(order, counter, result);
    result.kept_fraction = counter.fractions();
    result.cost = cost(order, result.kept_fraction);
    result.peak_memory_bytes = peak_resident_bytes() - resident_;
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
  void train(const RoundOrder& order, KeepCounter& counter, RoundResult& result) {
    const at::Tensor text = text_rows(order, order.context + 1);
    const at::Tensor labels = text.slice(1, 1).reshape({-1});
    const Batch batch{text.slice(1, 0, order.context).reshape({-1}),
                      Rows::contiguous(std::vector<int64_t>(order.batch, order.context))};
    const Coins coins(1, static_cast<uint64_t>(order.round));
    Run run = new_run(Mode::train, counter);
    run.coins = &coins;
    const auto start = Clock::now();
    for (int64_t i = 0; i < order.repeats; ++i) {
      const at::Tensor hidden = run_model(*model_, batch, nullptr, run);
      lm_loss(hidden, model_->head_weight(), labels, static_cast<double>(labels.numel()))
          .backward();
      optimizer_->clip_gradients();
      optimizer_->step(0);
    }
    result.seconds = seconds_since(start);
    result.tokens = static_cast<double>(order.repeats * order.batch * order.context);
  }

  at::Tensor next_logits(const at::Tensor& hidden, const Rows& rows) const {
    std::vector<int64_t> last;
    for (int64_t b = 0; b < rows.n_rows(); ++b) last.push_back(rows.begin(b) + rows.length(b) - 1);
    return at::mm(hidden.index_select(0, at::tensor(last, at::kLong)), model_->head_weight().t());
  }

  std::unique_ptr<DecodeState> prefilled(const RoundOrder& order, const at::Tensor& text,
                                         const Run& run, int64_t room) const {
    auto state = model_->new_state(order.batch, order.context + room);
    const Batch batch = continue_rows(*state, text.slice(1, 0, order.context).reshape({-1}),
                                      std::vector<int64_t>(order.batch, order.context));
    next_logits(run_model(*model_, batch, state.get(), run), *batch.rows);
    return state;
  }

  void prefill(const RoundOrder& order, KeepCounter& counter, RoundResult& result) {
    at::NoGradGuard no_grad;
    const at::Tensor text = text_rows(order, order.context);
    const Run run = new_run(Mode::step, counter);
    const auto start = Clock::now();
    for (int64_t i = 0; i < order.repeats; ++i) prefilled(order, text, run, 0);
    result.seconds = seconds_since(start);
    result.tokens = static_cast<double>(order.repeats * order.batch * order.context);
  }

  /// The prompt is read before the clock starts; then text follows it token by token.
  void decode(const RoundOrder& order, KeepCounter& counter, RoundResult& result) {
    at::NoGradGuard no_grad;
    const at::Tensor text = text_rows(order, order.context + order.decode_tokens);
    KeepCounter ignored;
    for (int64_t i = 0; i < order.repeats; ++i) {
      const auto state = prefilled(order, text, new_run(Mode::step, ignored), order.decode_tokens);
      const Run run = new_run(Mode::step, counter);
      const auto start = Clock::now();
      for (int64_t t = 0; t < order.decode_tokens; ++t) {
        const Batch batch = continue_rows(*state, text.select(1, order.context + t).contiguous(),
                                          std::vector<int64_t>(order.batch, 1));
        next_logits(run_model(*model_, batch, state.get(), run), *batch.rows);
      }
      result.seconds += seconds_since(start);
    }
    result.tokens = static_cast<double>(order.repeats * order.batch * order.decode_tokens);
  }

  double cost(const RoundOrder& order, const std::vector<double>& kept) const {
    const bool decoding = order.mode == "decode";
    CostShape shape = decoding
                          ? CostShape::decode(order.batch, order.context + order.decode_tokens / 2)
                          : CostShape::whole_rows(order.batch, order.context);
    shape.kept_fraction = kept;
    Ledger ledger;
    model_->add_cost(shape, ledger);
    double total = decoding ? ledger.bytes() : ledger.flops_causal();
    if (order.mode == "prefill")  // the head sees the last token of each row only
      for (const LedgerLine& line : ledger.lines())
        if (line.part == "head")
          total -= line.flops_causal * (1 - 1.0 / static_cast<double>(order.context));
    return total / static_cast<double>(decoding ? order.batch : order.batch * order.context);
  }

  TrialConfig config_;
  std::optional<TextData> text_;
  std::unique_ptr<LanguageModel> model_;
  std::unique_ptr<KeepRule> assumed_;
  std::optional<AdamW> optimizer_;
  double resident_ = 0;
};

}  // namespace

void serve_rounds(const PlannedTrial& trial, const fs::path& study_folder, const Catalog& catalog) {
  BenchWorker worker(trial, study_folder, catalog);
  std::string line;
  while (std::getline(std::cin, line)) {
    RoundOrder order;
    read_fields(parse_json(line, "bench"), "bench", order);
    std::cout << write_fields(worker.run(order)).dump() << std::endl;
  }
}

}  // namespace sublab

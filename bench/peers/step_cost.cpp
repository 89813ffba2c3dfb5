// What a training step of our Llama costs, side by side in one process: against the straightforward
// step of the same shape, against the machine's matmul rate, and how much of it is no tensor work.
// Everything takes turns, round by round; what is printed are medians of ratios within a round,
// with their 95% intervals.
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <functional>

#include "analysis/statistics.h"
#include "bench/peers/straightforward_llama.h"
#include "experiments/catalog.h"
#include "experiments/optimizer.h"
#include "models/parts/lm_head.h"

namespace sublab {
namespace {

struct Sizes {
  int64_t d_model = 512, n_layers = 8, n_heads = 8, vocab_size = 4096, context = 2048, batch = 1;
  int64_t rounds = 15;
};

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Our step, as experiments/train.cpp does it.
class OurStep {
 public:
  OurStep(json config, int64_t vocab_size, int64_t batch, int64_t context) {
    const Catalog catalog = built_in_catalog();
    const auto& entry = catalog.architecture(config.at("architecture"), "bench");
    config_ = entry.resolve(config, "/model", catalog.parts);
    model_ = entry.make(config_, vocab_size, 1, catalog.parts);
    optimizer_ = std::make_unique<AdamW>(model_->parameters(), TrainConfig{});
    const std::vector<int64_t> lengths(batch, context);
    batch_ = {at::randint(0, vocab_size, {batch * context}, at::kLong), Rows::contiguous(lengths)};
    labels_ = at::randint(0, vocab_size, {batch * context}, at::kLong);
    Ledger ledger;
    model_->add_cost(CostShape::whole_rows(batch, context), ledger);
    flops_ = 3 * ledger.flops_causal();
  }
  void operator()(int64_t step) const {
    const Coins coins(1, static_cast<uint64_t>(step));
    Run run;
    run.mode = Mode::train;
    run.coins = &coins;
    const at::Tensor hidden = run_model(*model_, batch_, nullptr, run);
    const at::Tensor loss =
        lm_loss(hidden, model_->head_weight(), labels_, static_cast<double>(labels_.numel()));
    loss.backward();
    loss.item<double>();
    optimizer_->clip_gradients();
    optimizer_->step(1e-4);
  }
  double flops() const { return flops_; }
  int64_t d_ff() const { return config_.at("d_ff"); }
  int64_t n_parameters() const {
    int64_t sum = 0;
    for (const Parameter& parameter : model_->parameters()) sum += parameter.tensor.numel();
    return sum;
  }

 private:
  json config_;
  std::unique_ptr<LanguageModel> model_;
  std::unique_ptr<AdamW> optimizer_;
  Batch batch_;
  at::Tensor labels_;
  double flops_ = 0;
};

/// The matrix products of a step's square maps, [N, D] x [D, D], about a tenth of its FLOPs.
class Matmul {
 public:
  Matmul(int64_t n_tokens, int64_t d_model, double flops)
      : a_(at::randn({n_tokens, d_model})),
        b_(at::randn({d_model, d_model})),
        out_(at::empty({n_tokens, d_model})),
        once_(2.0 * static_cast<double>(n_tokens * d_model * d_model)),
        repeats_(std::max<int64_t>(1, static_cast<int64_t>(flops / 10 / once_))) {}
  void operator()() {
    at::NoGradGuard no_grad;
    for (int64_t i = 0; i < repeats_; ++i) at::mm_out(out_, a_, b_);
  }
  double flops() const { return once_ * static_cast<double>(repeats_); }

 private:
  at::Tensor a_, b_, out_;
  double once_;
  int64_t repeats_;
};

json llama_config(const Sizes& sizes, int64_t d_model) {
  return {{"architecture", "llama"},
          {"d_model", d_model},
          {"n_layers", sizes.n_layers},
          {"n_heads", sizes.n_heads}};
}

void print(const char* what, const Estimate& e) {
  std::printf("%-58s %9.4f  [%.4f, %.4f]\n", what, e.value, e.interval.low, e.interval.high);
}

std::vector<double> scaled(std::vector<double> values, double factor) {
  for (double& value : values) value *= factor;
  return values;
}

void measure(const Sizes& sizes) {
  const OurStep ours(llama_config(sizes, sizes.d_model), sizes.vocab_size, sizes.batch,
                     sizes.context);
  StraightforwardLlama theirs(
      {sizes.vocab_size, sizes.d_model, sizes.n_layers, sizes.n_heads, ours.d_ff()});
  TORCH_CHECK(theirs.n_parameters() == ours.n_parameters(), "the two models differ in size");
  const at::Tensor tokens = at::randint(0, sizes.vocab_size, {sizes.batch, sizes.context});
  const at::Tensor labels = at::randint(0, sizes.vocab_size, {sizes.batch, sizes.context});
  Matmul matmul(sizes.batch * sizes.context, sizes.d_model, ours.flops());
  // The same operators in the same order, on next to no numbers: what remains is everything else.
  const int64_t tiny_width = 2 * sizes.n_heads;
  const OurStep tiny_llama(llama_config(sizes, tiny_width), 64, 1, 8);
  json subllm = llama_config(sizes, tiny_width);
  subllm["architecture"] = "subllm";
  subllm.erase("n_layers");
  const OurStep tiny_subllm(subllm, 64, 1, 8);
  constexpr int kTinySteps = 10;

  struct Subject {
    std::function<void(int64_t)> work;
    std::vector<double> seconds;
  };
  std::vector<Subject> subjects = {{[&](int64_t r) { ours(r); }, {}},
                                   {[&](int64_t) { theirs.train_step(tokens, labels); }, {}},
                                   {[&](int64_t) { matmul(); }, {}},
                                   {[&](int64_t r) {
                                      for (int i = 0; i < kTinySteps; ++i) tiny_llama(r + i);
                                    },
                                    {}},
                                   {[&](int64_t r) {
                                      for (int i = 0; i < kTinySteps; ++i) tiny_subllm(r + i);
                                    },
                                    {}}};
  for (Subject& subject : subjects) subject.work(0);
  for (int64_t round = 0; round < sizes.rounds; ++round)
    for (size_t i = 0; i < subjects.size(); ++i) {
      Subject& subject = subjects[(i + round) % subjects.size()];
      subject.seconds.push_back(seconds_of([&] { subject.work(round); }));
    }
  const auto& own = subjects[0].seconds;
  std::printf(
      "d_model %ld, %ld layers, vocabulary %ld, %ld x %ld tokens, %ld parameters, %ld rounds\n",
      sizes.d_model, sizes.n_layers, sizes.vocab_size, sizes.batch, sizes.context,
      ours.n_parameters(), sizes.rounds);
  std::printf("%-58s %9.4f\n", "our step, seconds (median)", median(own));
  std::printf("%-58s %9.1f\n", "our step, GFLOP/s by the ledger (causal)",
              ours.flops() / median(own) / 1e9);
  std::printf("%-58s %9.1f\n", "matmul [tokens, d] x [d, d], GFLOP/s",
              matmul.flops() / median(subjects[2].seconds) / 1e9);
  print("straightforward step / our step", speed_ratio(subjects[1].seconds, own));
  print("our rate / matmul rate",
        speed_ratio(scaled(subjects[2].seconds, ours.flops() / matmul.flops()), own));
  print("llama step without tensor work / our step",
        speed_ratio(scaled(subjects[3].seconds, 1.0 / kTinySteps), own));
  print("subllm step without tensor work / our step",
        speed_ratio(scaled(subjects[4].seconds, 1.0 / kTinySteps), own));
}

}  // namespace
}  // namespace sublab

int main(int argc, char** argv) {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);  // as in sublab itself; both sides have it
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  sublab::Sizes sizes;
  CLI::App app{"our Llama training step beside the straightforward one and the matmul rate"};
  app.add_option("--d-model", sizes.d_model, "width")->capture_default_str();
  app.add_option("--layers", sizes.n_layers, "blocks")->capture_default_str();
  app.add_option("--heads", sizes.n_heads, "heads")->capture_default_str();
  app.add_option("--vocab", sizes.vocab_size, "vocabulary")->capture_default_str();
  app.add_option("--context", sizes.context, "tokens per row")->capture_default_str();
  app.add_option("--batch", sizes.batch, "rows")->capture_default_str();
  app.add_option("--rounds", sizes.rounds, "interleaved rounds")->check(CLI::Range(9, 10000));
  CLI11_PARSE(app, argc, argv);
  sublab::measure(sizes);
}

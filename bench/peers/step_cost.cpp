// What a training step of our Llama costs: against the straightforward step of the same shape,
// against the machine's matmul rate, and how much of it is no tensor work. Everything takes turns,
// round by round; what is printed are medians of ratios within a round, with their 95% intervals.
// The straightforward step has a process of its own, because sublab's allocator settings, which are
// part of what it does for speed, hold for a whole process.
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <functional>
#include <iostream>

#include "analysis/statistics/statistics.h"
#include "bench/peers/straightforward_llama.h"
#include "core/process.h"
#include "experiments/catalog.h"
#include "experiments/train/step.h"

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

/// Our step, the trainer's.
class OurStep {
 public:
  OurStep(json config, int64_t vocab_size, int64_t batch, int64_t context) {
    const Catalog catalog = built_in_catalog();
    const auto& entry = catalog.architecture(config.at("architecture"), "bench");
    config_ = entry.resolve(config, "/model", catalog.parts);
    model_ = entry.make(config_, vocab_size, 1, catalog.parts);
    optimizer_ = std::make_unique<AdamW>(model_->parameters(), TrainConfig{});
    const std::vector<int64_t> lengths(batch, context);
    const int64_t n_tokens = batch * context;
    passes_ = {{{at::randint(0, vocab_size, {n_tokens}, at::kLong), Rows::contiguous(lengths)},
                at::randint(0, vocab_size, {n_tokens}, at::kLong),
                n_tokens}};
    Ledger ledger;
    model_->add_cost(CostShape::whole_rows(batch, context), ledger);
    flops_ = 3 * ledger.flops_causal();
  }
  void operator()(int64_t step) const {
    StepSettings settings;
    settings.learning_rate = 1e-4;
    settings.first_pass = static_cast<uint64_t>(step);
    optimizer_step(*model_, *optimizer_, passes_, settings);
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
  std::vector<LabelledBatch> passes_;
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

/// The straightforward model in a process of its own: a line in, a step, its seconds out.
class TheirStep {
 public:
  TheirStep(const Sizes& sizes, int64_t d_ff)
      : process_(
            {"straightforward", std::to_string(sizes.vocab_size), std::to_string(sizes.d_model),
             std::to_string(sizes.n_layers), std::to_string(sizes.n_heads), std::to_string(d_ff),
             std::to_string(sizes.batch), std::to_string(sizes.context)},
            "/dev/null") {}
  double operator()() {
    const auto line = process_.write_line("step") ? process_.read_line() : std::nullopt;
    if (!line) throw UserError("straightforward", "its process stopped");
    return std::stod(*line);
  }
  int64_t n_parameters() {
    const auto line = process_.read_line();
    return line ? std::stoll(*line) : 0;
  }

 private:
  ChildProcess process_;
};

void serve_straightforward_steps(char** arguments) {
  const auto number = [&](int i) { return std::stoll(arguments[i]); };
  StraightforwardLlama model({number(0), number(1), number(2), number(3), number(4)});
  const at::Tensor tokens = at::randint(0, number(0), {number(5), number(6)});
  const at::Tensor labels = at::randint(0, number(0), {number(5), number(6)});
  std::cout << model.n_parameters() << std::endl;
  for (std::string line; std::getline(std::cin, line);)
    std::cout << seconds_of([&] { model.train_step(tokens, labels); }) << std::endl;
}

json llama_config(const Sizes& sizes, int64_t d_model) {
  return {{"architecture", "llama"},
          {"d_model", d_model},
          {"n_layers", sizes.n_layers},
          {"n_heads", sizes.n_heads}};
}

void print(const char* what, const Estimate& e) {
  std::printf("%-50s %9.4f", what, e.value);
  if (e.interval) std::printf("  [%.4f, %.4f]", e.interval->low, e.interval->high);
  std::printf("\n");
}

std::vector<double> scaled(std::vector<double> values, double factor) {
  for (double& value : values) value *= factor;
  return values;
}

constexpr int kTinySteps = 10;

void report(const Sizes& sizes, const OurStep& ours, const Matmul& matmul,
            const std::vector<double>& own, const std::vector<double>& theirs,
            const std::vector<double>& product, const std::vector<double>& tiny_llama,
            const std::vector<double>& tiny_subllm) {
  std::printf(
      "d_model %ld, %ld layers, vocabulary %ld, %ld x %ld tokens, %ld parameters, %zu rounds\n",
      sizes.d_model, sizes.n_layers, sizes.vocab_size, sizes.batch, sizes.context,
      ours.n_parameters(), own.size());
  const auto number = [](const char* what, double value) {
    std::printf("%-50s %9.2f\n", what, value);
  };
  number("our step, seconds", median(own));
  number("our step, GFLOP/s by the ledger (causal)", ours.flops() / median(own) / 1e9);
  number("matmul [tokens, d] x [d, d], GFLOP/s", matmul.flops() / median(product) / 1e9);
  print("straightforward step / our step", speed_ratio(theirs, own));
  print("our rate / matmul rate", speed_ratio(scaled(product, ours.flops() / matmul.flops()), own));
  print("llama step on next to no numbers / our step",
        speed_ratio(scaled(tiny_llama, 1.0 / kTinySteps), own));
  print("subllm step on next to no numbers / our step",
        speed_ratio(scaled(tiny_subllm, 1.0 / kTinySteps), own));
}

void measure(const Sizes& sizes) {
  const OurStep ours(llama_config(sizes, sizes.d_model), sizes.vocab_size, sizes.batch,
                     sizes.context);
  TheirStep theirs(sizes, ours.d_ff());
  TORCH_CHECK(theirs.n_parameters() == ours.n_parameters(), "the two models differ in size");
  Matmul matmul(sizes.batch * sizes.context, sizes.d_model, ours.flops());
  // The same operators in the same order, on next to no numbers: what remains is everything else.
  const int64_t tiny_width = 2 * sizes.n_heads;
  const OurStep tiny_llama(llama_config(sizes, tiny_width), 64, 1, 8);
  json subllm = llama_config(sizes, tiny_width);
  subllm["architecture"] = "subllm";
  subllm.erase("n_layers");
  const OurStep tiny_subllm(subllm, 64, 1, 8);

  struct Subject {
    std::function<double(int64_t)> seconds_of_round;
    std::vector<double> seconds;
  };
  const auto timed = [](std::function<void(int64_t)> work) -> Subject {
    return {[work](int64_t round) { return seconds_of([&] { work(round); }); }, {}};
  };
  const auto many = [&](const OurStep& step) {
    return timed([&step](int64_t round) {
      for (int i = 0; i < kTinySteps; ++i) step(round + i);
    });
  };
  std::vector<Subject> subjects = {timed([&](int64_t round) { ours(round); }),
                                   {[&](int64_t) { return theirs(); }, {}},
                                   timed([&](int64_t) { matmul(); }),
                                   many(tiny_llama),
                                   many(tiny_subllm)};
  for (Subject& subject : subjects) subject.seconds_of_round(0);
  for (int64_t round = 0; round < sizes.rounds; ++round)
    for (size_t i = 0; i < subjects.size(); ++i) {
      Subject& subject = subjects[(i + static_cast<size_t>(round)) % subjects.size()];
      subject.seconds.push_back(subject.seconds_of_round(round));
    }
  report(sizes, ours, matmul, subjects[0].seconds, subjects[1].seconds, subjects[2].seconds,
         subjects[3].seconds, subjects[4].seconds);
}

}  // namespace
}  // namespace sublab

int main(int argc, char** argv) {
  if (argc == 11 && std::string(argv[1]) == "straightforward") {
    sublab::die_with_parent(static_cast<pid_t>(std::stol(argv[10])));
    sublab::serve_straightforward_steps(argv + 2);
    return 0;
  }
  mallopt(M_MMAP_THRESHOLD, 1 << 30);  // as sublab itself does
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

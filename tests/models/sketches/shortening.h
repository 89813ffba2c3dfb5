// Prompt compression: a model reads the context, and the tokens that it expected most are left out,
// as LLMLingua does; and a task that asks.
#pragma once

#include "experiments/tasks/task.h"
#include "models/entries/compression.h"
#include "models/parts/lm_head.h"

namespace sublab {

struct ShorteningConfig {
  double rate = 0.5;
  std::string checkpoint;

  template <class F>
  void fields(F& f) {
    f("rate", rate, "share of a context that stays", within(0, 1));
    f("checkpoint", checkpoint, "the model that reads it; empty = the one that answers");
  }
};

class SurprisalCompressor : public PromptCompressor {
 public:
  SurprisalCompressor(const ShorteningConfig& config, const CompressionContext& context)
      : config_(config), answering_(context.model) {
    if (!config.checkpoint.empty()) second_ = context.open(config.checkpoint).model;
  }
  Question compress(const Question& question, CompressionCost& cost) const override {
    at::NoGradGuard no_grad;
    const LanguageModel& model = second_ ? *second_ : answering_;
    const auto n = static_cast<int64_t>(question.context_ids.size());
    const Batch batch{at::tensor(question.context_ids, at::kLong), Rows::contiguous({n}), {}};
    const at::Tensor hidden = run_model(model, batch, nullptr, Run{});
    cost.add_pass(model, n);
    const at::Tensor expected =
        token_losses(hidden.slice(0, 0, n - 1), model.head_weight(), batch.tokens.slice(0, 1));
    const auto stays = std::max<int64_t>(static_cast<int64_t>(config_.rate * double(n)), 1);
    const at::Tensor chosen =
        std::get<0>(std::get<1>(expected.topk(stays - 1)).sort());  // in order of place
    Question out = question;
    out.context_ids = {question.context_ids.front()};
    for (int64_t i = 0; i < chosen.size(0); ++i)
      out.context_ids.push_back(question.context_ids[chosen[i].item<int64_t>() + 1]);
    return out;
  }

 private:
  ShorteningConfig config_;
  const LanguageModel& answering_;
  std::unique_ptr<LanguageModel> second_;
};

inline CompressionEntry surprisal_compression() {
  return entry_of<CompressionEntry, ShorteningConfig, SurprisalCompressor>(
      "surprisal_sketch", "leaves out what was expected", "sketch");
}

struct EchoConfig {
  std::string task = "echo";
  int64_t n = 2;

  template <class F>
  void fields(F& f) {
    f("task", task, "echo", one_of({"echo"}));
    f("n", n, "questions", within(1, 100));
  }
};

/// Asks in ids what comes after a context of sixteen. Its score is what was read and said.
inline TaskEntry echo_task() {
  TaskEntry entry;
  entry.name = "echo";
  entry.summary = "what comes after a context";
  entry.source = "sketch";
  entry.describe = [] { return describe_fields<EchoConfig>(); };
  entry.resolve = [](const json& given, const std::string& path, const DataConfig&) {
    EchoConfig config;
    read_fields(given, path, config);
    return write_fields(config);
  };
  entry.prompt.ask = [](const json& resolved, const TaskContext&) {
    std::vector<Question> out;
    for (int64_t i = 0; i < resolved.at("n").get<int64_t>(); ++i) {
      Question question;
      for (int64_t t = 0; t < 16; ++t) question.context_ids.push_back((7 * t + i) % 64);
      question.ids = {3, 5};
      question.max_tokens = 4;
      out.push_back(question);
    }
    return out;
  };
  entry.prompt.score = [](const json&, const TaskContext&, const std::vector<Question>&,
                          const std::vector<Answer>& answers, Evaluation& out) {
    double read = 0, said = 0;
    for (const Answer& answer : answers) {
      read += static_cast<double>(answer.n_read);
      said += static_cast<double>(answer.ids.size());
    }
    out.add("echo_read", read);
    out.add("echo_said", said);
  };
  return entry;
}

}  // namespace sublab

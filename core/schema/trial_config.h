// The configuration of one trial, after resolving: what is trained, on what, how, and how it is
// evaluated. Everything here is part of the trial's identity.
#pragma once

#include <string>
#include <vector>

#include "core/fields.h"

namespace sublab {

/// What rows are trained on, by either spelling of data.train_on: "recall" and {"task": "recall",
/// ...} are the task "recall"; "text" is text. "" where it is neither.
inline std::string train_task_of(const json& train_on) {
  const json& task =
      train_on.is_object() && train_on.contains("task") ? train_on["task"] : train_on;
  return task.is_string() ? task.get<std::string>() : "";
}

struct DataConfig {
  std::vector<std::string> corpus;
  std::string tokenizer = "sentencepiece:2048";
  int64_t context_len = 256;
  json train_on = {{"task", "text"}};  ///< resolved: an object
  std::string packing = "stream";
  json sampling = "plain";
  json positions = "contiguous";
  int64_t unique_tokens = 0;
  int64_t bytes_per_source = 8'000'000;

  template <class F>
  void fields(F& f) {
    f("corpus", corpus, "corpora to train and evaluate on (see `sublab corpus list`)");
    f("tokenizer", tokenizer, "'bytes', 'sentencepiece:N', or the path of a .model file");
    f("context_len", context_len, "tokens per training row", within(8, 1 << 24));
    f("train_on", train_on,
      "'text', or a task that makes its own rows: its name, or {\"task\": name, settings...} "
      "(`sublab list rows`)");
    f("packing", packing, "stream: documents end to end; document: a row never mixes documents",
      one_of({"stream", "document"}));
    f("sampling", sampling, "which documents an epoch has (see `sublab list sampling`)");
    f("positions", positions,
      "what position encoding is told in training (see `sublab list positions`)");
    f("unique_tokens", unique_tokens, "train on this many tokens, several times if needed; 0 = all",
      within(0, 1e15));
    f("bytes_per_source", bytes_per_source, "at most this much text of each corpus; 0 = all",
      within(0, 1e15));
  }

  std::string train_task() const { return train_task_of(train_on); }
  bool on_text() const { return train_task() == "text"; }
};

struct TrainConfig {
  int64_t tokens = 1'000'000;
  int64_t batch_tokens = 4096;
  int64_t micro_batch_tokens = 0;
  double learning_rate = 1e-3;
  double final_learning_rate = 0.1;
  double warmup = 0.05;
  double weight_decay = 0.1;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double clip_norm = 1.0;
  double minutes = 0;
  bool recompute = false;
  std::string dtype = "float32";
  std::string device = "cpu";
  std::string from;
  bool from_other_tokenizer = false;

  template <class F>
  void fields(F& f) {
    f("tokens", tokens, "tokens to train on, repeats counted", within(0, 1e15));
    f("batch_tokens", batch_tokens, "tokens per optimizer step", within(1, 1e12));
    f("micro_batch_tokens", micro_batch_tokens, "tokens per forward pass; 0 = batch_tokens",
      within(0, 1e12));
    f("learning_rate", learning_rate, "peak learning rate of AdamW", above(0, 10));
    f("final_learning_rate", final_learning_rate, "share of the peak that the cosine ends at",
      within(0, 1));
    f("warmup", warmup, "share of the run spent in linear warm-up", within(0, 1));
    f("weight_decay", weight_decay, "decoupled; matrices only", within(0, 10));
    f("beta1", beta1, "AdamW", within(0, 0.99999));
    f("beta2", beta2, "AdamW", within(0, 0.99999));
    f("epsilon", epsilon, "AdamW", above(0, 1));
    f("clip_norm", clip_norm, "global gradient norm; 0 = no clipping", within(0, 1e6));
    f("minutes", minutes, "stop as timed_out after this long; 0 = no limit", within(0, 1e6));
    f("recompute", recompute,
      "keep the input of each block only and compute the rest again in the backward pass");
    f("dtype", dtype,
      "of weights and activations in training. tf32: float32 numbers whose products a card rounds "
      "to TF32; bfloat16: the optimizer keeps float32 weights, which are evaluated and saved",
      one_of({"float32", "tf32", "bfloat16"}));
    f("device", device,
      "where the model is trained, evaluated and measured: cpu, cuda, cuda:N, or auto (cuda where "
      "there is one); its kind is part of a trial's identity");
    f("from", from,
      "start from trained weights: a variant that stands before this one in the study, a "
      "checkpoint folder, or STUDY_DIR:VARIANT@SEED; subsampling modules that it lacks are put in "
      "so that nothing changes");
    f("from_other_tokenizer", from_other_tokenizer,
      "the weights of `from` were trained with another tokenizer than data.tokenizer, on purpose");
  }
};

struct TrialConfig {
  json model = json::object();  ///< resolved by its architecture's entry
  DataConfig data;
  TrainConfig train;
  std::vector<json> evaluate;  ///< each {"task": name, ...}, resolved by its task's entry

  template <class F>
  void fields(F& f) {
    f("model", model, "architecture and its settings");
    f("data", data, "what it is trained on");
    f("train", train, "how it is trained");
    f("evaluate", evaluate, "tasks it is evaluated on");
  }
};

}  // namespace sublab

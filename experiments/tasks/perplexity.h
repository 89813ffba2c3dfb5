// Perplexity on held-out documents: exp of the sum of losses over the sum of tokens.
//
// Each document is read through windows of at most `window` inputs, moved by `stride`; the boundary
// id stands before its first token and counts as an input. The first window scores all its tokens,
// later ones only those that no window scored before, so that each token is scored once.
#pragma once

#include <optional>

#include "core/schema/arrays.h"
#include "experiments/tasks/task.h"

namespace sublab {

/// Of a window, by place.
inline constexpr int64_t kPlaceBuckets = 16;

struct PerplexityConfig {
  std::string task = "perplexity";
  std::string split = "validation";
  int64_t window = 0;
  int64_t stride = 0;
  int64_t max_tokens = 200'000;
  int64_t max_document_tokens = 0;
  bool extrapolate = false;
  bool mean_of_windows = false;
  bool random_keeps = false;
  std::vector<std::string> keep;

  template <class F>
  void fields(F& f) {
    f("task", task, "perplexity", one_of({"perplexity"}));
    f("split", split, "which documents", one_of({"validation", "test"}));
    f("window", window, "inputs per window; 0 = data.context_len", within(0, 1 << 24));
    f("stride", stride, "inputs that the window moves by, at most window; 0 = half of it",
      within(0, 1 << 24));
    f("max_tokens", max_tokens, "evaluate on about this many tokens; 0 = all", within(0, 1e15));
    f("max_document_tokens", max_document_tokens,
      "of each document its first tokens only, so that many documents count; 0 = whole documents",
      within(0, 1e15));
    f("extrapolate", extrapolate, "allow a window that is longer than data.context_len");
    f("mean_of_windows", mean_of_windows,
      "also give the mean over windows of the mean loss of each, which the scripts of YaRN and "
      "PoSE print as perplexity");
    f("random_keeps", random_keeps,
      "also score every token with as many tokens kept as the model chose, drawn blindly");
    f("keep", keep, "arrays to keep of every trial that are not kept by themselves",
      one_of({array::kTokenLosses, array::kDepths}));
  }
  /// Fills in the zeros; a window beyond `context_len` needs `extrapolate`. Throws UserError at
  /// `path`.
  void resolve(const std::string& path, int64_t context_len);
};

/// Losses of one document's tokens, in order.
struct DocumentLosses {
  std::vector<float> token_losses;
  std::vector<uint8_t> depths;  ///< per token: how deep the one before it went, which predicts it
  int64_t n_bytes = 0;          ///< of its text; 0 where the tokenizer does not give it back
  uint64_t key = 0;
};

/// Sums over the tokens that a full window scores, by place in the window.
struct PositionLosses {
  std::vector<double> loss, tokens;  ///< per bucket
  std::vector<double> bucket_end;    ///< first place behind the bucket
};

struct PerplexityResult {
  std::vector<DocumentLosses> documents;
  PositionLosses positions;
  double loss_sum = 0, n_tokens = 0;
  double window_mean_sum = 0, n_windows = 0;  ///< of the mean loss of what each window scores
  std::vector<double> kept_fraction;          ///< per subsampling module, of its parent level
};

/// Loss per byte of the documents whose text the tokenizer gives back.
struct ByteLoss {
  std::optional<double> bits_per_byte;  ///< none where that is no document
  int64_t left_out = 0;                 ///< documents that do not count
  std::string note;                     ///< says so; "" where all count
};

/// Of `result`, whose documents know their bytes.
ByteLoss byte_loss(const PerplexityResult& result);

/// Whose keep sets a model that subsamples is scored with.
enum class KeepSets {
  chosen,              ///< its own
  chosen_with_depths,  ///< its own, and they are written down per token
  random               ///< as many as its own, drawn blindly: a pass more
};

/// Scores `documents` (ids without boundary). `run` chooses the mode; evaluate is the honest one.
PerplexityResult measure_perplexity(const LanguageModel& model,
                                    const std::vector<std::vector<int64_t>>& documents,
                                    int64_t boundary_id, int64_t window, int64_t stride,
                                    const Run& run, KeepSets keep_sets = KeepSets::chosen);

}  // namespace sublab

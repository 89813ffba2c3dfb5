// Held-out documents in windows, batches of them, and the loss of every token.
#include <algorithm>

#include "core/random.h"
#include "data/packing.h"
#include "experiments/observe/keep_counter.h"
#include "experiments/observe/kept_tokens.h"
#include "experiments/tasks/perplexity.h"
#include "experiments/tasks/random_keeps.h"
#include "models/parts/lm_head.h"
#include "models/transfer.h"

namespace sublab {
namespace perplexity {

constexpr int64_t kTokensPerPass = 8192;

/// A window of a document, to be run with others of about its length.
struct Piece {
  size_t document;
  Window window;
  int64_t n_inputs() const { return window.end - window.begin; }
};

std::vector<Piece> pieces_of(const std::vector<std::vector<int64_t>>& documents, int64_t window,
                             int64_t stride) {
  std::vector<Piece> pieces;
  for (size_t d = 0; d < documents.size(); ++d)
    for (const Window& w : windows(static_cast<int64_t>(documents[d].size()), window, stride))
      pieces.push_back({d, w});
  // Equal lengths side by side make batches without ragged rows.
  std::stable_sort(pieces.begin(), pieces.end(),
                   [](const Piece& a, const Piece& b) { return a.n_inputs() > b.n_inputs(); });
  return pieces;
}

struct PieceBatch {
  Batch batch;
  at::Tensor labels;
};

PieceBatch batch_of(const std::vector<Piece>& pieces, size_t first, size_t last,
                    const std::vector<std::vector<int64_t>>& documents, int64_t boundary_id,
                    at::Device device) {
  std::vector<int64_t> tokens, labels, lengths;
  for (size_t i = first; i < last; ++i) {
    const auto& ids = documents[pieces[i].document];
    const Window& w = pieces[i].window;
    lengths.push_back(pieces[i].n_inputs());
    for (int64_t place = w.begin; place < w.end; ++place) {
      tokens.push_back(place < 0 ? boundary_id : ids[place]);
      labels.push_back(place + 1 >= w.first_scored ? ids[place + 1] : TokenRow::kIgnoredLabel);
    }
  }
  return {{sent_to(device, tokens), Rows::contiguous(lengths)}, sent_to(device, labels)};
}

/// Keep sets for a batch that begins with piece `first`: a piece has the same in any batch.
RecordedKeeps blind_keeps(const LanguageModel& model, const Batch& batch, const Run& run,
                          const std::vector<Piece>& pieces, size_t first) {
  RecordedKeeps chosen;
  Run choosing = run.unheard();
  choosing.recorded = &chosen;
  run_model(model, batch, nullptr, choosing);
  std::vector<uint64_t> keys;
  for (int64_t row = 0; row < batch.rows->n_rows(); ++row) {
    const Piece& piece = pieces[first + static_cast<size_t>(row)];
    keys.push_back(stream_key(piece.document, "piece", static_cast<uint64_t>(piece.window.begin)));
  }
  return random_keeps(chosen, keys);
}

/// `losses` of the piece's inputs; `depths` of them, or nothing.
void add_piece(const Piece& piece, const float* losses, const std::vector<uint8_t>& depths,
               int64_t window, PerplexityResult& result) {
  const Window& w = piece.window;
  DocumentLosses& document = result.documents[piece.document];
  // Only there every place of the window is scored, in one text.
  const bool from_start = w.begin == -1 && piece.n_inputs() == window;
  double sum = 0;
  for (int64_t place = w.begin; place < w.end; ++place) {
    if (place + 1 < w.first_scored) continue;
    const int64_t i = place - w.begin;
    document.token_losses[place + 1] = losses[i];
    if (!depths.empty()) document.depths[place + 1] = depths[i];
    sum += losses[i];
    result.loss_sum += losses[i];
    ++result.n_tokens;
    if (!from_start) continue;
    const int64_t bucket = std::min<int64_t>(kPlaceBuckets - 1, i * kPlaceBuckets / window);
    result.positions.loss[bucket] += losses[i];
    ++result.positions.tokens[bucket];
  }
  result.window_mean_sum += sum / static_cast<double>(w.end + 1 - w.first_scored);
  ++result.n_windows;
}

}  // namespace perplexity

PerplexityResult measure_perplexity(const LanguageModel& model,
                                    const std::vector<std::vector<int64_t>>& documents,
                                    int64_t boundary_id, int64_t window, int64_t stride,
                                    const Run& run, KeepSets keep_sets) {
  using namespace perplexity;
  const bool depths = keep_sets == KeepSets::chosen_with_depths;
  at::NoGradGuard no_grad;
  PerplexityResult result;
  result.documents.resize(documents.size());
  for (size_t d = 0; d < documents.size(); ++d) {
    result.documents[d].token_losses.resize(documents[d].size());
    if (depths) result.documents[d].depths.resize(documents[d].size());
  }
  result.positions.loss.assign(kPlaceBuckets, 0);
  result.positions.tokens.assign(kPlaceBuckets, 0);
  for (int64_t b = 1; b <= kPlaceBuckets; ++b)
    result.positions.bucket_end.push_back(
        static_cast<double>((window * b + kPlaceBuckets - 1) / kPlaceBuckets));
  KeepCounter counter(run.observer);
  Run counted = run;
  counted.observer = &counter;
  const std::vector<Piece> pieces = pieces_of(documents, window, stride);
  for (size_t first = 0; first < pieces.size();) {
    size_t last = first;
    int64_t n = 0;
    while (last < pieces.size() && (last == first || n + pieces[last].n_inputs() <= kTokensPerPass))
      n += pieces[last++].n_inputs();
    const PieceBatch made = batch_of(pieces, first, last, documents, boundary_id, model.device());
    RecordedKeeps keeps;
    if (depths) counted.recorded = &keeps;
    if (keep_sets == KeepSets::random) {
      keeps = blind_keeps(model, made.batch, run, pieces, first);
      counted.forced = &keeps;
    }
    const at::Tensor hidden = run_model(model, made.batch, nullptr, counted);
    const at::Tensor losses =
        token_losses(hidden, model.head_weight(), made.labels).to(at::kFloat).cpu();
    const auto* loss = losses.const_data_ptr<float>();
    for (size_t i = first; i < last; ++i) {
      std::vector<uint8_t> depth;
      if (depths)
        depth = depths_of(keeps, model, static_cast<int64_t>(i - first), pieces[i].n_inputs());
      add_piece(pieces[i], loss, depth, window, result);
      loss += pieces[i].n_inputs();
    }
    first = last;
  }
  result.kept_fraction = counter.fractions();
  return result;
}

}  // namespace sublab

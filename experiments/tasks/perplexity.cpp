// Losses and what is kept of held-out documents: metrics and arrays.
#include "experiments/tasks/perplexity.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <set>

#include "analysis/inspection/kept_histogram.h"
#include "core/schema/metrics.h"
#include "experiments/observe/foretold_choices.h"
#include "experiments/observe/kept_tokens.h"
#include "experiments/tasks/held_out.h"
#include "experiments/text/text_data.h"

namespace sublab {

void PerplexityConfig::resolve(const std::string& path, int64_t context_len) {
  if (window == 0) window = context_len;
  if (stride == 0) stride = std::max<int64_t>(1, window / 2);
  if (stride > window)
    throw UserError(path + "/stride", std::to_string(stride) + " is above window " +
                                          std::to_string(window) +
                                          ", so that tokens would be left out");
  if (window > context_len && !extrapolate)
    throw UserError(path + "/window", std::to_string(window) + " is above data.context_len " +
                                          std::to_string(context_len) +
                                          "; \"extrapolate\": true allows it");
}

ByteLoss byte_loss(const PerplexityResult& result) {
  ByteLoss out;
  double loss = 0, n_bytes = 0;
  for (const DocumentLosses& document : result.documents) {
    n_bytes += static_cast<double>(document.n_bytes);
    if (document.n_bytes == 0) {
      ++out.left_out;
      continue;
    }
    for (const float each : document.token_losses) loss += each;
  }
  if (out.left_out > 0)
    out.note = (n_bytes > 0 ? "without " + std::to_string(out.left_out) + " of " +
                                  std::to_string(result.documents.size()) + " documents, which "
                            : std::string("none of the documents: ")) +
               "the tokenizer does not give back byte by byte";
  // The same sum in the order of the batches, where nothing is left out.
  if (out.left_out == 0) loss = result.loss_sum;
  if (n_bytes > 0) out.bits_per_byte = loss / std::numbers::ln2 / n_bytes;
  return out;
}

namespace perplexity {

/// Mean loss over some buckets, or nothing without tokens.
std::optional<double> mean_loss(const PositionLosses& positions, int64_t first, int64_t last) {
  double loss = 0, tokens = 0;
  for (int64_t b = first; b < last; ++b) loss += positions.loss[b], tokens += positions.tokens[b];
  return tokens > 0 ? std::optional(loss / tokens) : std::nullopt;
}

void add_arrays(const PerplexityResult& result, Evaluation& out) {
  std::vector<double> documents, positions;
  std::vector<uint64_t> keys;
  std::vector<float> losses;
  for (const DocumentLosses& document : result.documents) {
    double sum = 0;
    for (const float loss : document.token_losses) sum += loss;
    documents.insert(documents.end(), {sum, static_cast<double>(document.token_losses.size()),
                                       static_cast<double>(document.n_bytes)});
    keys.push_back(document.key);
    losses.insert(losses.end(), document.token_losses.begin(), document.token_losses.end());
  }
  for (int64_t b = 0; b < kPlaceBuckets; ++b)
    positions.insert(positions.end(), {result.positions.bucket_end[b], result.positions.loss[b],
                                       result.positions.tokens[b]});
  const auto n = static_cast<int64_t>(keys.size());
  out.add_array(array::kDocuments, documents, {n, array::kDocumentColumns});
  out.add_array(array::kDocumentKeys, keys, {n});
  out.add_array(array::kPositions, positions, {kPlaceBuckets, array::kPositionColumns});
  out.add_array(array::kTokenLosses, losses, {static_cast<int64_t>(losses.size())});
}

/// The depth of every token, and keep rates by class of token and by place in the document, whose
/// buckets are as wide as those of the losses and go as far as one window.
void add_kept_tokens(const PerplexityResult& result,
                     const std::vector<std::vector<int64_t>>& documents, const TaskContext& context,
                     int64_t window, Evaluation& out) {
  int64_t n_levels = 0;
  for (const SelectionSite& site : context.model.selection_sites())
    n_levels = std::max(n_levels, site.level);
  KeptHistogram by_class(n_levels, static_cast<int64_t>(kTokenClasses.size()));
  KeptHistogram by_position(n_levels, kPlaceBuckets);
  std::vector<uint8_t> all;
  for (size_t d = 0; d < documents.size(); ++d) {
    // Inputs are the boundary and all tokens but the last.
    std::vector<int64_t> inputs{context.text->tokenizer().boundary_id()};
    inputs.insert(inputs.end(), documents[d].begin(), documents[d].end());
    inputs.pop_back();
    const auto classes = token_classes(inputs, context.text->tokenizer());
    const auto& depths = result.documents[d].depths;
    for (size_t i = 0; i < depths.size(); ++i) {
      by_class.add(classes[i], depths[i]);
      if (static_cast<int64_t>(i) < window)
        by_position.add(static_cast<int64_t>(i) * kPlaceBuckets / window, depths[i]);
    }
    all.insert(all.end(), depths.begin(), depths.end());
  }
  out.add_array(array::kDepths, all, {static_cast<int64_t>(all.size())});
  out.add_array(array::kKeptByClass, by_class.counts(), by_class.shape());
  out.add_array(array::kKeptByPosition, by_position.counts(), by_position.shape());
}

void add_metrics(const PerplexityConfig& config, const TaskContext& context,
                 const PerplexityResult& result, const PerplexityResult& training_selection,
                 std::optional<double> foretold, double trigram, Evaluation& out) {
  const json counts = {{"documents", result.documents.size()}, {"tokens", result.n_tokens}};
  const auto add = [&](const std::string& name, std::optional<double> value,
                       const std::string& note = "") { out.add(name, value, counts, note); };
  if (result.n_tokens == 0) {
    for (const char* name : {metric::kLossNats, metric::kPerplexity, metric::kBitsPerByte})
      add(name, std::nullopt, "the " + config.split + " split holds no text");
    return;
  }
  const double loss = result.loss_sum / result.n_tokens;
  add(metric::kLossNats, loss);
  const bool finite = std::isfinite(std::exp(loss));
  add(metric::kPerplexity, finite ? std::optional(std::exp(loss)) : std::nullopt,
      finite ? "" : "exp(loss) is too large for a number");
  const ByteLoss bytes = byte_loss(result);
  add(metric::kBitsPerByte, bytes.bits_per_byte, bytes.note);
  add(metric::kLossEarlyNats, mean_loss(result.positions, 0, kPlaceBuckets / 4));
  add(metric::kLossLateNats,
      mean_loss(result.positions, kPlaceBuckets - kPlaceBuckets / 4, kPlaceBuckets));
  if (config.mean_of_windows)
    add(metric::kWindowMeanLossNats, result.window_mean_sum / result.n_windows);
  add(metric::kTrigramLossNats, trigram);
  if (result.kept_fraction.empty()) return;
  add(metric::kSelectionGapNats, training_selection.loss_sum / training_selection.n_tokens - loss);
  if (foretold) add(metric::kChoicesForetold, foretold);
  const auto sites = context.model.selection_sites();
  for (size_t m = 0; m < result.kept_fraction.size(); ++m)
    out.add(metric::at_level(metric::kKeptFraction, sites[m].level), result.kept_fraction[m],
            {{condition::kModule, m}});
}

/// Token by token beside the chosen keep sets.
void add_random_keeps(const PerplexityResult& chosen, const PerplexityResult& random,
                      Evaluation& out) {
  double likelier = 0;
  for (size_t d = 0; d < chosen.documents.size(); ++d)
    for (size_t t = 0; t < chosen.documents[d].token_losses.size(); ++t) {
      const float a = chosen.documents[d].token_losses[t], b = random.documents[d].token_losses[t];
      likelier += a < b ? 1 : a == b ? 0.5 : 0;
    }
  const json counts = {{"tokens", random.n_tokens}};
  out.add(metric::kRandomKeepsLossNats, random.loss_sum / random.n_tokens, counts);
  out.add(metric::kChoiceHelps, likelier / chosen.n_tokens, counts);
}

void evaluate(const json& resolved, const TaskContext& context, Evaluation& out) {
  PerplexityConfig config;
  read_fields(resolved, "/evaluate", config);
  const Split split = config.split == "test" ? Split::test : Split::validation;
  const TokenShard& shard = context.text->split(split);
  const auto chosen = evaluation_documents(shard, config.max_tokens, config.max_document_tokens);
  std::vector<Beginning> beginnings;
  for (const int64_t d : chosen)
    beginnings.push_back(
        beginning_of(shard, d, config.max_document_tokens, context.text->tokenizer()));
  compare_with_text(*context.text, split, chosen, beginnings);
  std::vector<std::vector<int64_t>> documents;
  for (const Beginning& beginning : beginnings) documents.push_back(beginning.ids);
  const int32_t boundary = context.text->tokenizer().boundary_id();
  const bool subsamples = !context.model.selection_sites().empty();
  Run run;
  run.declared_length = config.window;
  run.activity = &out.activity();
  PerplexityResult result =
      measure_perplexity(context.model, documents, boundary, config.window, config.stride, run,
                         subsamples ? KeepSets::chosen_with_depths : KeepSets::chosen);
  for (size_t i = 0; i < chosen.size(); ++i) {
    result.documents[i].n_bytes =
        beginnings[i].exact ? static_cast<int64_t>(beginnings[i].text.size()) : 0;
    result.documents[i].key = shard.key(chosen[i]);
  }
  PerplexityResult training_selection;
  ForetoldChoices foretold(context.model);
  if (subsamples) {
    add_kept_tokens(result, documents, context, config.window, out);
    if (config.random_keeps)
      add_random_keeps(result,
                       measure_perplexity(context.model, documents, boundary, config.window,
                                          config.stride, run.unheard(), KeepSets::random),
                       out);
    run.mode = Mode::train;  // coins stay off
    run.activity = nullptr;
    run.observer = &foretold;
    training_selection =
        measure_perplexity(context.model, documents, boundary, config.window, config.stride, run);
  }
  add_arrays(result, out);
  add_metrics(config, context, result, training_selection, foretold.accuracy(),
              trigram_loss(context, documents), out);
}

}  // namespace perplexity

TaskEntry perplexity_task() {
  TaskEntry entry;
  entry.name = "perplexity";
  entry.summary = "loss, perplexity and bits per byte on held-out documents";
  entry.source = "sum of losses / sum of tokens, sliding window";
  entry.describe = [] { return describe_fields<PerplexityConfig>(); };
  entry.resolve = [](const json& given, const std::string& path, const DataConfig& data) {
    PerplexityConfig config;
    read_fields(given, path, config);
    if (!data.on_text())
      throw UserError(path, "perplexity needs a trial with data.train_on text, not '" +
                                data.train_task() + "'");
    config.resolve(path, data.context_len);
    json out = write_fields(config);
    // No conditions: they add numbers, and are not written where nobody asks.
    if (!config.mean_of_windows) out.erase("mean_of_windows");
    if (!config.random_keeps) out.erase("random_keeps");
    return out;
  };
  entry.evaluate = perplexity::evaluate;
  entry.examples = {{"", {{"max_tokens", 2000}}}};
  return entry;
}

}  // namespace sublab

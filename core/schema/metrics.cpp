// The table of metrics.
#include "core/schema/metrics.h"

#include <algorithm>
#include <limits>

namespace sublab {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

MetricInfo cost(const char* name, const char* heading, const char* unit, const char* help,
                NumberStyle shown = NumberStyle::si, int digits = 3) {
  MetricInfo out;
  out.name = name, out.heading = heading, out.unit = unit, out.help = help;
  out.shown = shown, out.digits = digits, out.better = Better::lower;
  out.high = kInfinity;
  return out;
}

/// A number of one subsampling module.
MetricInfo of_module(const char* family, const char* heading, const char* help) {
  MetricInfo out;
  out.name = family, out.heading = heading, out.help = help;
  out.shown = NumberStyle::fixed, out.digits = 3;
  return out;
}

MetricInfo of_text(const char* name, const char* heading, const char* unit, const char* help,
                   int digits, NumberStyle shown = NumberStyle::fixed) {
  MetricInfo out;
  out.name = name, out.heading = heading, out.unit = unit, out.help = help;
  out.shown = shown, out.digits = digits, out.better = Better::lower;
  if (shown != NumberStyle::signed_fixed) out.high = kInfinity;
  out.of_text = out.of_loss = true;
  return out;
}

MetricInfo kept_fraction() {
  MetricInfo out = of_module(metric::kKeptFraction, "kept",
                             "share of the parent level's tokens that the trained threshold lets "
                             "into the level, on the same text");
  out.high = 1;
  out.of_text = true;
  return out;
}

MetricInfo active_fraction() {
  MetricInfo out = of_module(metric::kActiveFraction, "active",
                             "share of the chances that a mechanism had in which it acted");
  out.high = 1;
  return out;
}

MetricInfo last_points_spread() {
  MetricInfo out = of_module(metric::kLastPointsSpread, "over last points",
                             "standard deviation of the result over the last points of training");
  out.shown = NumberStyle::significant;
  return out;
}

/// Beside the accuracy of a task with questions.
std::vector<MetricInfo> of_answers() {
  using namespace metric;
  MetricInfo accuracy_gap =
      of_module(kAccuracyGap, "accuracy gap",
                "accuracy with train-mode selection, which sees later tokens, minus that with "
                "evaluate-mode selection");
  accuracy_gap.shown = NumberStyle::signed_fixed, accuracy_gap.better = Better::neither;
  MetricInfo in_row = of_module(kAnswersInRow, "answers in row",
                                "share of the answers that are some answer of their row, right or "
                                "not");
  in_row.high = 1;
  MetricInfo empty = of_module(kEmptyAnswers, "empty answers",
                               "share of the answers that hold nothing but blanks; they are wrong");
  empty.better = Better::lower, empty.high = 1;
  MetricInfo tokens =
      of_module(kAnswerTokens, "answer tokens",
                "share of the right answers' tokens that stand in the given answers "
                "at their place");
  tokens.better = Better::higher, tokens.high = 1;
  MetricInfo whole = of_module(kWholeRows, "whole rows",
                               "share of the rows whose answers are all "
                               "right");
  whole.better = Better::higher, whole.high = 1;
  MetricInfo role_kept =
      of_module(kRoleKept, "kept", "share of the role's tokens that reach the level in evaluation");
  role_kept.high = 1;
  return {accuracy_gap, in_row, empty, tokens, whole, role_kept, last_points_spread()};
}

MetricInfo choices_foretold() {
  MetricInfo out = of_text(metric::kChoicesForetold, "choices foretold", "",
                           "share of the tokens of which a score above 0 tells whether training, "
                           "which sees later tokens, would choose them, on the same stream",
                           4);
  out.better = Better::higher, out.high = 1, out.of_loss = false;
  return out;
}

/// Of held-out documents.
std::vector<MetricInfo> of_losses() {
  using namespace metric;
  return {
      of_text(kLossNats, "loss", "nats per token",
              "nats per token, evaluate mode, with 95 % interval", 4),
      of_text(kPerplexity, "perplexity", "", "exp(loss)", 1),
      of_text(kBitsPerByte, "bits/byte", "bits per byte", "loss per byte of text", 4),
      of_text(kLossEarlyNats, "early", "nats per token", "loss over the first quarter of windows",
              4),
      of_text(kLossLateNats, "late", "nats per token", "loss over the last quarter of windows", 4),
      of_text(kWindowMeanLossNats, "mean of windows", "nats per token",
              "mean over windows of the mean loss of what each scores: long documents weigh less, "
              "and a first window of many tokens as much as one of a few",
              4),
      of_text(kTrigramLossNats, "trigram", "nats per token",
              "loss of an interpolated trigram counted on the same training tokens", 4),
      of_text(kRandomKeepsLossNats, "random keeps", "nats per token",
              "loss of the same tokens where as many as the model chose are kept, at places drawn "
              "blindly",
              4),
      of_text(kChoiceHelps, "choice helps", "",
              "share of the tokens that are likelier with the chosen keep set than with the random "
              "one; 0.5: the choice says nothing",
              4),
      of_text(kSelectionGapNats, "gap", "nats per token",
              "loss with train-mode selection, which sees later tokens, minus that with "
              "evaluate-mode selection",
              4, NumberStyle::signed_fixed)};
}

/// Of tasks on data with groups.
std::vector<MetricInfo> of_groups() {
  using namespace metric;
  std::vector<MetricInfo> out = {
      of_module(kGroupScore, "score", "mean score of the group's questions, x 100"),
      of_module(kGroupMean, "mean of groups", "mean over the groups of their scores, x 100"),
      of_module(kDrawScore, "score", "of one draw of demonstrations, x 100"),
      of_module(kGroupDrawSd, "sd over draws",
                "standard deviation of the group's score over draws of demonstrations")};
  for (MetricInfo& each : out) each.digits = 2, each.high = 100, each.better = Better::higher;
  out.back().better = Better::neither;
  MetricInfo shortened =
      of_module(kPromptsShortened, "prompts cut",
                "share of the prompts that lost a part so that they fit the window");
  shortened.better = Better::lower, shortened.high = 1;
  out.push_back(shortened);
  return out;
}

/// What rows of sampled text hold, and which distances positions that skip show.
std::vector<MetricInfo> of_training_rows() {
  using namespace metric;
  std::vector<MetricInfo> out = {
      of_module(kSourceTokens, "of tokens", "share of the source's tokens in all tokens"),
      of_module(kLongDocuments, "from long documents",
                "share of the source's tokens that are of documents of the length from which "
                "sampling calls them long"),
      of_module(kDistancesUnseen, "never seen",
                "share of the relative distances below the length that positions should reach "
                "which no pair of a token and one that it sees had"),
      of_module(kPairsBeyondRow, "beyond the row",
                "share of these pairs whose distance no row with contiguous positions has")};
  for (MetricInfo& each : out) each.high = 1;
  out.push_back(cost(kLongestDistance, "longest distance", "tokens",
                     "between a token and one that it sees", NumberStyle::fixed, 0));
  out.back().better = Better::neither;
  return out;
}

std::vector<MetricInfo> all() {
  using namespace metric;
  std::vector<MetricInfo> out = {
      cost(kParams, "parameters", "", "all trained numbers"),
      cost(kParamsNonEmbedding, "non-embedding", "", "without embedding and head"),
      cost(kTrainFlopsPerToken, "FLOPs/token", "FLOPs",
           "training: 3 forward passes, causal attention, from the ledger"),
      cost(kDecodeBytesPerToken, "bytes/token", "bytes", "read to decode one token"),
      cost(kTrainTokens, "tokens", "tokens", "trained on"),
      cost(kTokensPerParameter, "tokens/param", "", "training tokens per parameter",
           NumberStyle::fixed, 2),
      cost(kLiveMemoryBytes, "live memory", "bytes", "bytes of tensors when the phase began",
           NumberStyle::megabytes),
      cost(kPeakMemoryBytes, "peak memory", "bytes", "bytes of tensors at the peak of the phase",
           NumberStyle::megabytes),
      cost(kPeakResidentBytes, "peak resident", "bytes", "resident set of the process at its peak",
           NumberStyle::megabytes),
      cost(kPeakReservedBytes, "peak reserved", "bytes",
           "what the caching allocator of the device held at its peak", NumberStyle::megabytes),
      cost(kDriverUsedBytes, "card in use", "bytes",
           "of the card's memory, by all processes, as the driver says", NumberStyle::megabytes),
      of_module(kScoreAboveThreshold, "P(kept)",
                "share of scores above the threshold: what evaluation would keep"),
      of_module(kKeptDrift, "drift", "kept share in training minus P(kept)"),
      of_module(kScoreInside, "in (0, 1)",
                "share of scores inside (0, 1), which alone have a gradient"),
      of_module(kDiscardedWeight, "discarded", "mean weight of the tokens left out"),
      of_module(kKeptNotAboveThreshold, "kept, not above",
                "share of the kept tokens whose score is not above 0"),
      of_module(kScoreEntropy, "entropy",
                "of the weights in 16 bins, relative to its largest value"),
      of_module(kBypassMin, "bypass min", "smallest element of the bypass scale"),
      of_module(kBypassMean, "mean", "of the bypass scale"),
      of_module(kBypassMax, "max", "of the bypass scale"),
      of_module(kMemoryGateMin, "memory gate min",
                "smallest weight that a head of the layer gives its memory; the rest is local"),
      of_module(kMemoryGateMean, "mean", "over the layer's heads"),
      of_module(kMemoryGateMax, "max", "over the layer's heads")};
  for (MetricInfo& each : of_losses()) out.push_back(std::move(each));
  MetricInfo context_kept = of_module(kContextKept, "context kept",
                                      "tokens of the contexts after compression, of those before");
  context_kept.better = Better::lower, context_kept.high = 1;
  out.push_back(context_kept);
  out.push_back(cost(kCompressionTokens, "tokens read to shorten", "tokens",
                     "by what shortens prompts, over all questions"));
  out.push_back(cost(kCompressionFlops, "FLOPs to shorten", "FLOPs",
                     "of the models that what shortens prompts asks, over all questions"));
  out.push_back(kept_fraction());
  out.push_back(active_fraction());
  out.push_back(choices_foretold());
  return out;
}

/// "needle accuracy" of "needle_accuracy".
std::string words_of(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

MetricInfo from_name(const std::string& name) {
  MetricInfo out;
  out.name = name;
  out.heading = out.help = words_of(name);
  if (metric::is_accuracy(name)) {
    out.heading = name.substr(0, name.size() - std::string(metric::kAccuracyEnding).size());
    out.help = "accuracy with 95 % interval; empty and failed answers are wrong";
    out.shown = NumberStyle::fixed, out.digits = 3, out.better = Better::higher;
    out.high = 1;
  } else if (name.ends_with("_nats")) {
    out.unit = "nats per token";
    out.shown = NumberStyle::fixed, out.better = Better::lower;
    out.high = kInfinity;
  } else if (name.ends_with("_fraction")) {
    out.shown = NumberStyle::fixed, out.digits = 3;
    out.high = 1;
  } else if (name.ends_with("_bytes")) {
    out.unit = "bytes";
    out.shown = NumberStyle::megabytes, out.better = Better::lower;
    out.high = kInfinity;
  }
  return out;
}

}  // namespace

namespace metric {

bool is_of_family(const std::string& name, const std::string& family) {
  return name.size() > family.size() + 1 && name.starts_with(family) &&
         name[family.size()] == '_' &&
         name.find_first_not_of("0123456789", family.size() + 1) == std::string::npos;
}

std::string benchmark_accuracy(const std::string& dataset) { return accuracy_of(dataset); }

bool is_shown_apart(const std::string& name) {
  static const std::vector<std::string> names = {kGroupScore,
                                                 kDrawScore,
                                                 kGroupDrawSd,
                                                 benchmark_accuracy("mmlu"),
                                                 benchmark_accuracy("bbh"),
                                                 benchmark_accuracy("agieval"),
                                                 benchmark_accuracy("classification")};
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string level_of(const std::string& name, const std::string& family) {
  return name.substr(family.size() + 1);
}

}  // namespace metric

bool condition::is_count(const std::string& key) {
  static const std::vector<std::string> counts = {
      "n", "of", kRows, "tokens", "documents", "empty", "failed", kChance, kInRowChance};
  return std::find(counts.begin(), counts.end(), key) != counts.end();
}

const std::vector<MetricInfo>& known_metrics() {
  static const std::vector<MetricInfo> metrics = [] {
    std::vector<MetricInfo> out = all();
    for (MetricInfo& each : of_answers()) out.push_back(std::move(each));
    for (MetricInfo& each : of_groups()) out.push_back(std::move(each));
    for (MetricInfo& each : of_training_rows()) out.push_back(std::move(each));
    return out;
  }();
  return metrics;
}

MetricInfo metric_info(const std::string& name) {
  for (const MetricInfo& each : known_metrics()) {
    if (each.name == name) return each;
    if (!metric::is_of_family(name, each.name)) continue;
    MetricInfo out = each;
    out.name = name;
    out.heading += " L" + metric::level_of(name, each.name);
    return out;
  }
  return from_name(name);
}

}  // namespace sublab

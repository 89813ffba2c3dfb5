// Names of metrics, said once, and how each is shown. A task outside this tree needs no entry here:
// metric_info() makes one from the name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sublab {

/// How a number is written in a table.
enum class NumberStyle { fixed, signed_fixed, significant, si, megabytes };
/// Which way is better, for fronts and claims.
enum class Better { lower, higher, neither };

struct MetricInfo {
  std::string name;
  std::string heading;  ///< of a column
  std::string unit;     ///< "" for a plain number
  std::string help;
  NumberStyle shown = NumberStyle::significant;
  int digits = 4;
  Better better = Better::neither;
  double low = 0, high = 0;  ///< what it can be; equal = anything
  bool of_text = false;      ///< follows from held-out documents
  bool of_loss = false;      ///< means nothing beside one of another text
};

namespace metric {

// Of the configuration and of training.
inline constexpr const char* kParams = "n_params";
inline constexpr const char* kParamsNonEmbedding = "n_params_non_embedding";
inline constexpr const char* kTrainFlopsPerToken = "train_flops_per_token";
inline constexpr const char* kDecodeBytesPerToken = "decode_bytes_per_token";
inline constexpr const char* kTrainTokens = "train_tokens";
inline constexpr const char* kTokensPerParameter = "tokens_per_parameter";
// Of training text that is sampled (conditions kSource, kSampled), and of positions that skip.
inline constexpr const char* kSourceTokens = "source_tokens_fraction";
inline constexpr const char* kLongDocuments = "long_documents_fraction";
inline constexpr const char* kDistancesUnseen = "distances_unseen_fraction";
inline constexpr const char* kPairsBeyondRow = "pairs_beyond_row_fraction";
inline constexpr const char* kLongestDistance = "longest_distance_tokens";
inline constexpr const char* kLiveMemoryBytes = "live_memory_bytes";
inline constexpr const char* kPeakMemoryBytes = "peak_memory_bytes";
inline constexpr const char* kPeakResidentBytes = "peak_resident_bytes";
inline constexpr const char* kPeakReservedBytes = "peak_reserved_bytes";
inline constexpr const char* kDriverUsedBytes = "driver_used_bytes";

// Of each subsampling module: at_level() adds its level, a condition says which module it is.
inline constexpr const char* kScoreAboveThreshold = "score_above_threshold";
inline constexpr const char* kScoreInside = "score_inside";
inline constexpr const char* kScoreEntropy = "score_entropy";
inline constexpr const char* kDiscardedWeight = "discarded_weight";
inline constexpr const char* kKeptNotAboveThreshold = "kept_not_above_threshold";
inline constexpr const char* kBypassMin = "bypass_min";
inline constexpr const char* kBypassMean = "bypass_mean";
inline constexpr const char* kBypassMax = "bypass_max";
inline constexpr const char* kKeptDrift = "kept_drift";
inline constexpr const char* kKeptFraction = "kept_fraction";

// Of each layer with a compressive memory, which the condition kLayer says: over its heads.
inline constexpr const char* kMemoryGateMin = "memory_gate_min";
inline constexpr const char* kMemoryGateMean = "memory_gate_mean";
inline constexpr const char* kMemoryGateMax = "memory_gate_max";

// Of an evaluation.
inline constexpr const char* kLossNats = "loss_nats";
inline constexpr const char* kPerplexity = "perplexity";
inline constexpr const char* kBitsPerByte = "bits_per_byte";
inline constexpr const char* kLossEarlyNats = "loss_early_nats";
inline constexpr const char* kLossLateNats = "loss_late_nats";
inline constexpr const char* kWindowMeanLossNats = "window_mean_loss_nats";
inline constexpr const char* kTrigramLossNats = "trigram_loss_nats";
inline constexpr const char* kRandomKeepsLossNats = "random_keeps_loss_nats";
inline constexpr const char* kChoiceHelps = "choice_helps_fraction";
inline constexpr const char* kSelectionGapNats = "selection_gap_nats";
inline constexpr const char* kChoicesForetold = "choices_foretold_fraction";

// Of a task with questions.
inline constexpr const char* kAccuracyGap = "accuracy_selection_gap";
inline constexpr const char* kAnswersInRow = "answers_in_row_fraction";
inline constexpr const char* kEmptyAnswers = "empty_answer_fraction";
inline constexpr const char* kAnswerTokens = "answer_token_accuracy";
inline constexpr const char* kWholeRows = "whole_row_accuracy";
/// at_level() adds the level; the condition kRole says of which tokens.
inline constexpr const char* kRoleKept = "role_kept_fraction";

// Of a task on data with groups (subjects, data sets): scores x 100, with the condition kGroup; of
// a draw of demonstrations, too, with kDraw.
inline constexpr const char* kGroupScore = "group_score";
inline constexpr const char* kGroupMean = "group_mean_score";
inline constexpr const char* kDrawScore = "draw_score";
inline constexpr const char* kGroupDrawSd = "group_draw_sd";
/// "mmlu_accuracy": the accuracy of a task on several benchmarks under the name of one, by which
/// claims ask for it.
std::string benchmark_accuracy(const std::string& dataset);
/// Whether a metric is of one group, which tables of their own show, or the same number again under
/// a benchmark's name.
bool is_shown_apart(const std::string& name);
/// Prompts that lost a part so that they fit the window.
inline constexpr const char* kPromptsShortened = "prompts_shortened_fraction";

// Of an evaluation whose prompts were shortened.
inline constexpr const char* kContextKept = "context_kept_fraction";
inline constexpr const char* kCompressionTokens = "compression_tokens_read";
inline constexpr const char* kCompressionFlops = "compression_flops";

/// Standard deviation of an evaluation's headline over the last points of training
/// (kSpreadOf, kPoints).
inline constexpr const char* kLastPointsSpread = "last_points_standard_deviation";

/// What a mechanism did, from `Run`'s activity sink.
inline constexpr const char* kActiveFraction = "active_fraction";

/// Ending of a share of right answers: "<task>_accuracy".
inline constexpr const char* kAccuracyEnding = "_accuracy";
inline std::string accuracy_of(const std::string& task) { return task + kAccuracyEnding; }
/// Of the questions of one length, which the condition kContext says.
inline constexpr const char* kByLengthEnding = "_by_length_accuracy";
/// The same by distance in tokens, which the condition kDistance bounds from above.
inline constexpr const char* kByDistanceEnding = "_by_distance_accuracy";
/// The same by the level that what was asked for reached, which the condition kReached says.
inline constexpr const char* kByReachedEnding = "_by_reached_accuracy";
inline std::string accuracy_by_length_of(const std::string& task) { return task + kByLengthEnding; }
inline bool is_accuracy(const std::string& name) { return name.ends_with(kAccuracyEnding); }

/// "kept_fraction_1".
inline std::string at_level(const std::string& family, int64_t level) {
  return family + "_" + std::to_string(level);
}
/// Whether `name` is of this family, at any level.
bool is_of_family(const std::string& name, const std::string& family);
/// "1" of "kept_fraction_1", whose family is given.
std::string level_of(const std::string& name, const std::string& family);

}  // namespace metric

/// Names of conditions that code asks for.
namespace condition {

inline constexpr const char* kPhase = "phase";
inline constexpr const char* kModule = "module";
inline constexpr const char* kLayer = "layer";
inline constexpr const char* kRole = "role";
/// A corpus, or kAllSources.
inline constexpr const char* kSource = "source";
inline constexpr const char* kAllSources = "all";
/// false: of the documents as they are; true: of the rows that training read.
inline constexpr const char* kSampled = "sampled";
/// Accuracy of guessing, and of guessing among what the row itself offers.
inline constexpr const char* kChance = "chance";
inline constexpr const char* kInRowChance = "in_row_chance";
/// Tokens that a question's prompt and answer were made to fit in.
inline constexpr const char* kContext = "context";
inline constexpr const char* kDistance = "distance";
inline constexpr const char* kReached = "reached";
inline constexpr const char* kEmpty = "empty";
inline constexpr const char* kDevice = "device";
inline constexpr const char* kSplit = "split";
inline constexpr const char* kWindow = "window";
inline constexpr const char* kStride = "stride";
inline constexpr const char* kRows = "n_rows";
inline constexpr const char* kGroup = "group";
inline constexpr const char* kDraw = "draw";
/// Of an entry of `evaluate` on a user's data: where they lie, which is a name and no condition,
/// and a hash of what they hold.
inline constexpr const char* kFolder = "folder";
inline constexpr const char* kContent = "content";
/// What shortened the prompts; its settings are "compression.<name>".
inline constexpr const char* kCompression = "compression";
/// Of an entry, no condition: questions that are answered at once, which decides no number.
inline constexpr const char* kBatch = "batch";

/// Of an entry, no condition: points of the last of training at which it is asked.
inline constexpr const char* kLastPoints = "last_points";
/// Of kLastPointsSpread: the metric whose spread it is, and over how many points.
inline constexpr const char* kSpreadOf = "spread_of";
inline constexpr const char* kPoints = "points";

/// Says how much was counted, not what was asked.
bool is_count(const std::string& key);

}  // namespace condition

/// Every metric that is known by name; those of a module's level by their family.
const std::vector<MetricInfo>& known_metrics();

/// What is known of a metric, or what its name says of it.
MetricInfo metric_info(const std::string& name);

}  // namespace sublab

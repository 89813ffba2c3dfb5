// Names of arrays, their columns and whether they are kept: said once. One file per trial,
// arrays/<id>.npz, holds "<evaluation>/<array>.npy" and, of training, "<array>.npy".
#pragma once

#include <string>
#include <vector>

#include "core/files.h"

namespace sublab {

/// Which trials leave an array on disk. Tuning trials leave none: their metrics are all that
/// counts.
enum class Keep {
  main,        ///< trials of the study and of its probes
  first_seed,  ///< of these the ones with the study's first seed, which alone a table reads
  on_request   ///< where a task's "keep" names it
};

struct ArrayKind {
  std::string name;
  Keep keep = Keep::main;
  std::vector<std::string> columns;  ///< of the last axis; empty = plain numbers
  bool of_loss = false;              ///< not drawn beside those of another text
};

namespace array {

// Of training.
inline constexpr const char* kLossCurve = "loss_curve";
inline constexpr const char* kSelectionCurve = "selection_curve";
inline constexpr const char* kRelativeDistances = "relative_distances";
// Of an evaluation on text.
inline constexpr const char* kDocuments = "documents";
inline constexpr const char* kDocumentKeys = "document_keys";
inline constexpr const char* kPositions = "positions";
inline constexpr const char* kTokenLosses = "token_losses";
inline constexpr const char* kDepths = "depths";
inline constexpr const char* kKeptByClass = "kept_by_class";
inline constexpr const char* kKeptByPosition = "kept_by_position";
// Of a task with questions: of each row (what was read once, with all that was asked about it) how
// many answers were right of how many, and a hash of the row, by which two models are paired.
inline constexpr const char* kAnswers = "answers";
inline constexpr const char* kAnswerKeys = "answer_keys";
/// [levels, roles, 2]; the roles are those of the metrics kRoleKept, in their order.
inline constexpr const char* kKeptByRole = "kept_by_role";
inline constexpr const char* kByLengthDepth = "by_length_depth";
/// Tokens trained on and result shortly before the end of training.
inline constexpr const char* kLastPoints = "last_points";
/// JSON lines as bytes: what was asked, what was right, what came, one line a question.
inline constexpr const char* kSamples = "samples";

/// Columns of kDocuments, kPositions, kSelectionCurve and kByLengthDepth that readers ask for.
inline constexpr size_t kDocumentColumns = 3, kPositionColumns = 3, kLengthDepthColumns = 4;
inline constexpr size_t kAnswerColumns = 2, kDistanceColumns = 2;
inline constexpr size_t kStep = 0, kModule = 1, kAboveThreshold = 2, kInside = 3;

}  // namespace array

/// Every array that is known by name.
const std::vector<ArrayKind>& known_arrays();

/// What is known of an array; one of another name, which a task outside this tree made, is kept for
/// main trials.
ArrayKind array_kind(const std::string& name);

/// What the policy asks of a trial.
struct KeepQuestion {
  bool tuning = false;
  bool first_seed = true;
  std::vector<std::string> asked_for = {};  ///< by the evaluation that made the array
};

/// Whether the policy leaves this array on disk.
bool is_kept(const std::string& name, const KeepQuestion& trial);

/// "evaluation/array", or "array" where `evaluation` is "".
std::string member_name(const std::string& array, const std::string& evaluation = "");

struct Record;

/// Whether the policy leaves a member of the trial's file on disk: what its evaluation asked for is
/// looked up in `record`.
bool is_member_kept(const std::string& member, const Record& record, KeepQuestion trial);

/// A trial's file of arrays.
fs::path arrays_path(const fs::path& study_folder, const std::string& trial_id);

}  // namespace sublab

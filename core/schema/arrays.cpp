// The table of arrays and their keep policy.
#include "core/schema/arrays.h"

#include <algorithm>

#include "core/schema/record.h"

namespace sublab {

const std::vector<ArrayKind>& known_arrays() {
  using namespace array;
  static const std::vector<ArrayKind> kinds = {
      {kLossCurve, Keep::main, {"tokens", "loss"}, true},
      {kSelectionCurve,
       Keep::main,
       {"step", "module", "score above threshold", "score inside (0, 1)", "discarded weight",
        "kept, not above threshold", "bypass min", "bypass mean", "bypass max", "score entropy",
        "drift"},
       false},
      {kRelativeDistances, Keep::main, {"end of bucket", "pairs"}, false},
      {kDocuments, Keep::main, {"loss", "tokens", "bytes"}, true},
      {kDocumentKeys, Keep::main, {}, false},
      {kPositions, Keep::main, {"end of bucket", "loss", "tokens"}, true},
      {kTokenLosses, Keep::on_request, {}, true},
      {kDepths, Keep::first_seed, {}, false},
      {kKeptByClass, Keep::main, {"kept", "seen"}, false},
      {kKeptByPosition, Keep::main, {"kept", "seen"}, false},
      {kAnswers, Keep::main, {"right", "asked"}, false},
      {kAnswerKeys, Keep::main, {}, false},
      {kKeptByRole, Keep::main, {"kept", "seen"}, false},
      {kByLengthDepth, Keep::main, {"length", "depth", "right", "asked"}, false},
      {kLastPoints, Keep::main, {"tokens", "result"}, false},
      {kSamples, Keep::first_seed, {}, false}};
  return kinds;
}

ArrayKind array_kind(const std::string& name) {
  for (const ArrayKind& kind : known_arrays())
    if (kind.name == name) return kind;
  return {name, Keep::main, {}, false};
}

bool is_kept(const std::string& name, const KeepQuestion& trial) {
  if (trial.tuning) return false;
  const auto& asked = trial.asked_for;
  if (std::find(asked.begin(), asked.end(), name) != asked.end()) return true;
  const Keep keep = array_kind(name).keep;
  return keep == Keep::main || (keep == Keep::first_seed && trial.first_seed);
}

std::string member_name(const std::string& array, const std::string& evaluation) {
  return evaluation.empty() ? array : evaluation + "/" + array;
}

bool is_member_kept(const std::string& member, const Record& record, KeepQuestion trial) {
  const size_t slash = member.find('/');
  if (slash == std::string::npos) return is_kept(member, trial);
  const RecordedEvaluation* evaluation = record.evaluation(member.substr(0, slash));
  if (evaluation) trial.asked_for = evaluation->asked_for;
  return is_kept(member.substr(slash + 1), trial);
}

fs::path arrays_path(const fs::path& study_folder, const std::string& trial_id) {
  return study_folder / "arrays" / (trial_id + ".npz");
}

}  // namespace sublab

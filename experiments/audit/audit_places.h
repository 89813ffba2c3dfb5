// How long the rows of an audit are, and where they are cut.
#pragma once

#include <vector>

#include "experiments/audit/audit_report.h"
#include "experiments/audit/audit_subject.h"

namespace sublab {

/// A leak may show in long rows alone: where a selector first drops a token, where a kernel takes
/// another tile, behind the last token that training saw. So the row passes the context length, and
/// borders that lie further on have a row of their own, that ends a little behind them.
struct AuditPlaces {
  int64_t row = 0;                     ///< tokens of the row that every question is put to
  std::vector<int64_t> within;         ///< borders inside that row, ascending
  std::vector<int64_t> beyond;         ///< further on
  std::vector<int64_t> packed;         ///< too far for a row: a batch of several rows passes them
  static constexpr int64_t kPast = 8;  ///< tokens behind the last border of a row

  int64_t longest_row() const { return beyond.empty() ? row : beyond.back() + kPast; }
  /// Right before, at and right after each border of a row of `n` tokens.
  std::vector<int64_t> cuts(int64_t n) const;
};

/// The borders of a model of this resolved config, which nobody has to declare: where the kernels
/// of this tree cut a row or take another path, powers of two, and every whole number among the
/// settings of the architecture and its parts that may be a length (a window, a chunk, a segment).
std::vector<int64_t> borders_of(const json& model);

AuditPlaces audit_places(const LanguageModel& model, const AuditSubject& subject,
                         const AuditSettings& settings);

}  // namespace sublab

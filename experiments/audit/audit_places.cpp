// Lengths and cuts of an audit's rows (experiments/audit/audit_places.h).
#include "experiments/audit/audit_places.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

#include "models/parts/lm_head.h"

namespace sublab {
namespace audit_places_detail {

/// Borders further on than this are passed by a batch instead of a row.
constexpr int64_t kLongestRow = 2048;
/// No length that a row is cut at, whatever a mechanism calls it, is shorter.
constexpr int64_t kShortest = 8;
/// ATen's kernel for CPUs takes keys 512 at a time, and queries by 32, by 64 from 192 queries on
/// and by 256 from 768 on; the decode kernels of models/kernels take keys by 64, 128 and 512.
constexpr int64_t kOfKernels[] = {192, 768};
/// Powers of two up to here are tiles of some kernel.
constexpr int64_t kLargestTile = 512;
/// A row need not grow beyond this for a selector that drops next to nothing.
constexpr int64_t kLongestForSelectors = 1024;
/// Tokens that a selector of the whole row should drop, so that a suffix has some to push out.
constexpr double kDropped = 4;

/// Tokens of a row in which every selector has something to drop.
int64_t selectors_need(const LanguageModel& model) {
  double need = 0;
  std::vector<double> share{1};  // of a row's tokens that reach each level
  for (const SelectionSite& site : model.selection_sites()) {
    share.resize(static_cast<size_t>(site.level), share.back());
    const double parent = share.back();
    if (site.retention < 1) need = std::max(need, kDropped / ((1 - site.retention) * parent));
    share.push_back(parent * site.retention);
  }
  return std::min(static_cast<int64_t>(std::ceil(need)), kLongestForSelectors);
}

}  // namespace audit_places_detail

std::vector<int64_t> AuditPlaces::cuts(int64_t n) const {
  std::set<int64_t> out;
  for (const auto* borders : {&within, &beyond})
    for (const int64_t border : *borders)
      for (const int64_t cut : {border - 1, border, border + 1})
        if (cut >= 1 && cut < n) out.insert(cut);
  return {out.begin(), out.end()};
}

std::vector<int64_t> borders_of(const json& model) {
  namespace detail = audit_places_detail;
  static const std::set<std::string> kWidths = {"d_model",  "n_layers", "n_heads",   "n_kv_heads",
                                                "head_dim", "d_ff",     "rope_theta"};
  std::set<int64_t> out(std::begin(detail::kOfKernels), std::end(detail::kOfKernels));
  for (int64_t power = 2 * detail::kShortest; power <= detail::kLargestTile; power *= 2)
    out.insert(power);
  const json settings = model.flatten();
  for (const auto& [key, value] : settings.items()) {
    if (!value.is_number_integer() || kWidths.contains(key.substr(key.rfind('/') + 1))) continue;
    const auto length = value.get<int64_t>();
    if (length >= detail::kShortest && length <= detail::kLongestRow) out.insert(length);
  }
  return {out.begin(), out.end()};
}

AuditPlaces audit_places(const LanguageModel& model, const AuditSubject& subject,
                         const AuditSettings& settings) {
  namespace detail = audit_places_detail;
  AuditPlaces out;
  out.row = std::max(settings.row_tokens, detail::selectors_need(model));
  if (subject.context_len > 0)
    out.row = std::max(out.row, subject.context_len + AuditPlaces::kPast);
  std::set<int64_t> borders(subject.borders.begin(), subject.borders.end());
  if (subject.context_len > 0) borders.insert(subject.context_len);
  for (int64_t power = 2 * detail::kShortest; power < out.row; power *= 2) borders.insert(power);
  // Scorers may make logits, in chunks of packed tokens.
  if (!model.selection_sites().empty())
    borders.insert(loss_chunk_tokens(model.vocab_size(), model.device()));
  for (const int64_t border : borders) {
    if (border + 1 < out.row)
      out.within.push_back(border);
    else
      (border <= detail::kLongestRow ? out.beyond : out.packed).push_back(border);
  }
  return out;
}

}  // namespace sublab

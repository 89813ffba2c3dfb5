// Ranking on the device of the scores: how many are kept is known on the host, who is kept is not.
#include "models/selection/ranking.h"

#include <algorithm>
#include <cmath>

#include "models/transfer.h"

namespace sublab {

int64_t kept_tokens(int64_t length, double retention, Rounding rounding) {
  constexpr double kSlack = 1e-9;  // 0.64 * 25 is a little above 16 in floating point
  const double product = static_cast<double>(length) * retention;
  const double whole = rounding == Rounding::ceil    ? std::ceil(product - kSlack)
                       : rounding == Rounding::floor ? std::floor(product + kSlack)
                                                     : std::floor(product + 0.5 + kSlack);
  return std::clamp<int64_t>(static_cast<int64_t>(whole), 0, length);
}

int64_t RankingConfig::kept(int64_t length, double retention) const {
  return kept_tokens(length, retention,
                     rounding == "floor"   ? Rounding::floor
                     : rounding == "round" ? Rounding::round
                                           : Rounding::ceil);
}

std::vector<RankedRows> ranked_rows(const at::Tensor& scores, const Rows& rows) {
  const auto rank = [](const at::Tensor& scores_of_rows) {
    return std::get<1>(at::sort(scores_of_rows.detach(), /*stable=*/true, 1, /*descending=*/true));
  };
  std::vector<RankedRows> out;
  if (const int64_t length = rows.equal_length(); length > 0) {
    RankedRows all{{}, rank(scores.reshape({rows.n_rows(), length}))};
    for (int64_t b = 0; b < rows.n_rows(); ++b) all.begins.push_back(rows.begin(b));
    out.push_back(std::move(all));
    return out;
  }
  for (int64_t b = 0; b < rows.n_rows(); ++b)
    if (rows.length(b) > 0)
      out.push_back(
          {{rows.begin(b)}, rank(scores.narrow(0, rows.begin(b), rows.length(b)).unsqueeze(0))});
  return out;
}

at::Tensor packed_index(const at::Tensor& places, const std::vector<int64_t>& begins) {
  const at::Tensor first = sent_to(places.device(), begins).unsqueeze(1);
  return places + first;
}

}  // namespace sublab

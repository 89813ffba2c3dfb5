// What teaches induction, as data.train_on asks for it (data/tasks/induction_rows.h).
#include "data/tasks/induction_rows.h"

#include <algorithm>

#include "core/random.h"
#include "data/tasks/labelled_maker.h"

namespace sublab {

TokenRow InductionRows::row(int64_t index) const {
  RandomSequence random(key_of_row(index));
  TokenRow out;
  const auto n = static_cast<uint64_t>(n_symbols_);
  for (int64_t i = 0; i + 1 < length_; ++i)
    out.tokens.push_back(static_cast<int64_t>(random.below(n)));
  const size_t at = random.below(static_cast<uint64_t>(length_ - 2));  // one more stands behind it
  out.tokens[at] = special();
  out.tokens.push_back(special());
  out.labels.assign(out.tokens.size(), TokenRow::kIgnoredLabel);
  out.labels.back() = out.tokens[at + 1];
  out.hints.assign(out.tokens.size(), 0);
  out.hints[at] = out.hints[at + 1] = out.hints.back() = 1;
  finish(out);
  return out;
}

size_t InductionRows::first(const TokenRow& row) const {
  return static_cast<size_t>(std::find(row.tokens.begin(), row.tokens.end(), special()) -
                             row.tokens.begin());
}

const std::vector<std::string>& InductionRows::role_names() const {
  static const std::vector<std::string> names = {"query", "special symbol", "its follower",
                                                 "filler"};
  return names;
}

std::vector<uint8_t> InductionRows::roles_of(const TokenRow& row) const {
  std::vector<uint8_t> out(row.tokens.size(), 3);
  const size_t at = first(row);
  out[at] = 1, out[at + 1] = 2, out.back() = 0;
  return out;
}

double InductionRows::depth_of(const TokenRow& row) const {
  return static_cast<double>(first(row)) / static_cast<double>(row.tokens.size() - 2);
}

RowMaker induction_rows_maker() {
  return labelled_rows_maker<InductionSettings, InductionRows>(
      "induction", "rows in which a special symbol comes twice", "arXiv:2312.00752");
}

}  // namespace sublab

// What teaches selective copying, as data.train_on asks for it (data/tasks/selective_copy_rows.h).
#include "data/tasks/selective_copy_rows.h"

#include <algorithm>

#include "core/random.h"
#include "data/tasks/labelled_maker.h"
#include "data/tasks/prompt_parts.h"

namespace sublab {

TokenRow SelectiveCopyRows::row(int64_t index) const {
  RandomSequence random(key_of_row(index));
  const auto n_data = static_cast<size_t>(settings_.n_data);
  const auto n_before = static_cast<size_t>(length_) - n_data;
  TokenRow out;
  out.tokens.assign(n_before, kNoise);
  out.hints.assign(n_before, 0);
  auto places = distinct_numbers(random, n_data, n_before);
  std::sort(places.begin(), places.end());
  out.labels.assign(n_before, TokenRow::kIgnoredLabel);
  for (const uint64_t place : places) {
    const auto symbol =
        static_cast<int64_t>(1 + random.below(static_cast<uint64_t>(settings_.n_symbols - 2)));
    out.tokens[place] = symbol;
    out.hints[place] = 1;
    out.labels.push_back(symbol);
  }
  out.tokens.resize(out.labels.size(), marker());
  out.hints.resize(out.labels.size(), 1);
  finish(out);
  return out;
}

const std::vector<std::string>& SelectiveCopyRows::role_names() const {
  static const std::vector<std::string> names = {"marker", "symbol", "noise"};
  return names;
}

std::vector<uint8_t> SelectiveCopyRows::roles_of(const TokenRow& row) const {
  std::vector<uint8_t> out;
  for (const int64_t token : row.tokens)
    out.push_back(token == marker() ? 0 : token == kNoise ? 2 : 1);
  return out;
}

double SelectiveCopyRows::depth_of(const TokenRow& row) const {
  const auto first = std::find_if(row.tokens.begin(), row.tokens.end(),
                                  [](int64_t token) { return token != kNoise; });
  return static_cast<double>(first - row.tokens.begin()) / static_cast<double>(row.tokens.size());
}

RowMaker selective_copy_rows_maker() {
  return labelled_rows_maker<SelectiveCopySettings, SelectiveCopyRows>(
      "selective_copy", "rows in which symbols among noise are said again", "arXiv:2312.00752");
}

}  // namespace sublab

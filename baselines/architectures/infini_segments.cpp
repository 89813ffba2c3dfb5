// Which segments of a batch have the same number, length and future
// (baselines/architectures/infini_segments.h).
#include "baselines/architectures/infini_segments.h"

#include <algorithm>
#include <map>

namespace sublab::infini_transformer {

Segments::Segments(const Rows& rows, int64_t segment_len) : segment_len_(segment_len) {
  if (rows.equal_length() > 0) equal_rows_ = rows.n_rows();
  int64_t longest = 0;
  for (int64_t b = 0; b < rows.n_rows(); ++b) {
    first_.push_back(static_cast<int64_t>(lengths_.size()));
    for (int64_t left = rows.length(b); left > 0; left -= lengths_.back())
      lengths_.push_back(std::min(left, segment_len));
    n_rows_ += rows.length(b) > 0;
    longest = std::max(longest, rows.length(b));
  }
  std::vector<int64_t> before(rows.n_rows());  // place of each row among those that continue
  for (int64_t begin = 0; begin < longest; begin += segment_len) {
    std::map<std::pair<bool, int64_t>, SegmentGroup> found;
    for (int64_t b = 0; b < rows.n_rows(); ++b) {
      const int64_t left = rows.length(b) - begin;
      if (left <= 0) continue;
      SegmentGroup& group = found[{left > segment_len, std::min(left, segment_len)}];
      group.n_tokens = std::min(left, segment_len);
      group.continues = left > segment_len;
      group.rows.push_back(b);
      group.places.push_back(before[b]);
    }
    groups_.emplace_back();
    for (auto& [key, group] : found) {
      if (group.continues)
        for (size_t i = 0; i < group.rows.size(); ++i)
          before[group.rows[i]] = static_cast<int64_t>(i);
      groups_.back().push_back(std::move(group));
    }
  }
}

std::vector<std::vector<at::Tensor>> Segments::split(const at::Tensor& x) const {
  std::vector<std::vector<at::Tensor>> out;
  if (equal_rows_ > 0) {
    for (const at::Tensor& part :
         x.unflatten(0, {equal_rows_, x.size(0) / equal_rows_}).split(segment_len_, 1))
      out.push_back({part});
    return out;
  }
  const std::vector<at::Tensor> each = x.split_with_sizes(lengths_);
  for (size_t s = 0; s < groups_.size(); ++s) {
    out.emplace_back();
    for (const SegmentGroup& group : groups_[s]) {
      std::vector<at::Tensor> parts;
      for (const int64_t b : group.rows) parts.push_back(each[first_[b] + static_cast<int64_t>(s)]);
      out.back().push_back(at::stack(parts));
    }
  }
  return out;
}

at::Tensor Segments::joined(const std::vector<std::vector<at::Tensor>>& parts) const {
  std::vector<at::Tensor> each(equal_rows_ > 0 ? parts.size() : lengths_.size());
  for (size_t s = 0; s < parts.size(); ++s) {
    if (equal_rows_ > 0) {
      each[s] = parts[s].front();
      continue;
    }
    for (size_t g = 0; g < parts[s].size(); ++g) {
      const std::vector<at::Tensor> of_rows = parts[s][g].unbind();
      const SegmentGroup& group = groups_[s][g];
      for (size_t i = 0; i < of_rows.size(); ++i)
        each[first_[group.rows[i]] + static_cast<int64_t>(s)] = of_rows[i];
    }
  }
  return equal_rows_ > 0 ? at::cat(each, 1).flatten(0, 1) : at::cat(each);
}

}  // namespace sublab::infini_transformer

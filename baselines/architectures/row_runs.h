// Packed tokens as batches without padding: runs of consecutive tokens of a row, those of the same
// shape together.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "models/rows.h"

namespace sublab {

/// Runs that are one batch.
struct RunGroup {
  int64_t past = 0;           ///< tokens of the same chunk before each run; 0 where runs are rows
  int64_t length = 0;         ///< tokens of each run
  std::vector<int64_t> rows;  ///< of each run
  std::vector<char> is_last;  ///< whether it is its row's last

  int64_t n_runs() const { return static_cast<int64_t>(rows.size()); }
};

/// A partition of the tokens of `rows`, whose ordinals ascend without gaps, into groups of runs:
/// those with the longest past first, so that the run that goes on comes before its row's others.
class RowRuns {
 public:
  /// Each row with tokens is a run; rows of the same length are a group.
  static RowRuns of_rows(const Rows& rows, at::Device device);
  /// Each part of a row inside a chunk is a run: chunks begin at ordinals that `chunk_len` divides.
  static RowRuns of_chunks(const Rows& rows, int64_t chunk_len, at::Device device);

  const std::vector<RunGroup>& groups() const { return groups_; }
  /// x [N, ...] -> per group [runs, length, ...].
  std::vector<at::Tensor> split(const at::Tensor& x) const;
  /// Per group [runs, length, ...] -> [N, ...].
  at::Tensor joined(const std::vector<at::Tensor>& parts) const;

 private:
  struct Run {
    int64_t row, begin, past, length;
    bool is_last;
  };
  RowRuns(const std::vector<Run>& runs, at::Device device);

  std::vector<RunGroup> groups_;
  std::vector<int64_t> sizes_;  // tokens of each group
  at::Tensor order_, inverse_;  // [N]; undefined where groups lie one after another already
};

}  // namespace sublab

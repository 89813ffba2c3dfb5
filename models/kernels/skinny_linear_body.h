// The arithmetic of linear maps of few rows: some outputs of all rows at once.
#pragma once

#include "models/kernels/body.h"

namespace sublab::skinny_linear {

/// y[m, o] = x_m . w_o + bias_o for `Rows` rows of x and the first n <= Outputs rows of w, in
/// parts of N numbers; d is a multiple of N. Rows of y lie f numbers apart; bias may be null.
template <int Rows, int Outputs, int N, class Team, class T>
SUBLAB_HOST_DEVICE void map_tile(const Team& team, const T* x, const T* w, const T* bias, T* y,
                                 int64_t d, int64_t f, int n) {
  team.template along<Rows * Outputs>(
      1, static_cast<int>(d / N),
      [&](int, int part, float* sums) SUBLAB_INLINE {
        float weights[Outputs][N];
        for (int o = 0; o < Outputs; ++o)  // behind the last row stands the last one again
          load_numbers<N>(w + (o < n ? o : n - 1) * d + part * N, weights[o]);
        for (int m = 0; m < Rows; ++m) {
          float row[N];
          load_numbers<N>(x + m * d + part * N, row);
          for (int o = 0; o < Outputs; ++o)
            for (int j = 0; j < N; ++j) sums[m * Outputs + o] += row[j] * weights[o][j];
        }
      },
      [&](int, int s, float sum) SUBLAB_INLINE {
        const int m = s / Outputs, o = s % Outputs;
        if (o < n) store(y[m * f + o], sum + (bias ? load(bias[o]) : 0.0f));
      });
}

}  // namespace sublab::skinny_linear

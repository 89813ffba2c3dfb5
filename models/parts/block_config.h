// The sizes of one block, and how it is drawn.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace sublab {

struct BlockConfig {
  int64_t d_model = 256;
  int64_t n_layers = 8;  ///< residual blocks of the whole model, which scale what each adds
  int64_t n_heads = 4;
  int64_t n_kv_heads = 0;
  int64_t head_dim = 0;
  int64_t d_ff = 0;
  double norm_epsilon = 1e-5;
  bool attention_bias = false;
  bool mlp_bias = false;
  double init_std = 0;  ///< of all matrices; 0 = (inputs)^-0.5

  int64_t q_width() const { return n_heads * head_dim; }
  int64_t kv_width() const { return n_kv_heads * head_dim; }
  /// Initial scale of what a block adds to the stream.
  double residual_scale() const {
    return 1 / std::sqrt(2.0 * static_cast<double>(std::max<int64_t>(n_layers, 1)));
  }
};

}  // namespace sublab

// How the stream is read at its end: final norm and head. What looks at the stream at some depth as
// if it were its end (a logit lens) needs no more of a model than this.
#pragma once

#include <ATen/ATen.h>

namespace sublab {

class Readout {
 public:
  virtual ~Readout() = default;
  /// x [N, D] -> hidden states [N, D].
  virtual at::Tensor final_norm(const at::Tensor& x) const = 0;
  /// [V, D]; logits = hidden . head^T.
  virtual const at::Tensor& head_weight() const = 0;
};

}  // namespace sublab

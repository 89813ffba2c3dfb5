// How one forward pass is run. Nothing about a run is global.
#pragma once

#include <ATen/ATen.h>

#include "models/group.h"
#include "models/keeps.h"
#include "models/rows.h"
#include "models/sinks.h"
#include "models/streams.h"

namespace sublab {

/// Three ways to run a model that must agree (docs/architecture.md).
enum class Mode {
  train,     ///< whole rows; selection may look at the whole row, on purpose
  evaluate,  ///< whole rows; every selection is causal
  step       ///< new tokens against a DecodeState; prefill and decode are the same call
};

/// Receives diagnostics while a model runs.
class Observer {
 public:
  virtual ~Observer() = default;
  /// A selection site decided. `scores` [N] and `rows` belong to the parent level; `index` [M]
  /// (ascending) are the kept tokens, `weights` [M] their gate.
  virtual void selected(int64_t site, const at::Tensor& scores, const Rows& rows,
                        const at::Tensor& index, const at::Tensor& weights) = 0;
  /// The kept tokens of `site` return through its bypass scale [D].
  virtual void returned(int64_t site, const at::Tensor& bypass_scale) {
    (void)site, (void)bypass_scale;
  }
};

struct Run {
  Mode mode = Mode::evaluate;
  double progress = 1.0;   ///< share of the training run done, in [0, 1]; drives schedules
  int64_t step = 0;        ///< optimizer steps done; drives schedules counted in steps
  bool recompute = false;  ///< blocks keep their input only and compute again going backward
  /// Tokens that a row will have in the end, prompt and answer together: what methods that look at
  /// the length of the request (dynamic NTK) freeze on, so that keys never have to turn again.
  /// 0 = not declared: such methods behave as at their training length. A decode state keeps what
  /// its first step declared (DecodeState::declare).
  int64_t declared_length = 0;
  const Coins* coins = nullptr;       ///< training coins; null = off
  const KeepRule* forced = nullptr;   ///< decides instead of the selectors; null = they decide
  RecordedKeeps* recorded = nullptr;  ///< filled with the decisions taken
  Observer* observer = nullptr;
  AuxiliaryLosses* losses = nullptr;  ///< filled with what is to be added to the loss
  Activity* activity = nullptr;       ///< filled with how often mechanisms acted
  const Group* group = nullptr;       ///< null = one rank

  /// The same pass once more, as recomputation needs it: nobody hears of it twice.
  Run unheard() const {
    Run again = *this;
    again.recorded = nullptr;
    again.observer = nullptr;
    again.losses = nullptr;
    again.activity = nullptr;
    return again;
  }
};

}  // namespace sublab

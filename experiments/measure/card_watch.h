// What held a card down while it was measured.
#pragma once

#include <functional>

#include "core/fields.h"

namespace sublab {

/// Looks at a card before, while and after a measurement runs. Asking the driver's library costs
/// the card nothing, and the host is idle while a worker works.
class CardWatch {
 public:
  /// `state`: as card_state of the device. What it says now stands as `before`.
  explicit CardWatch(std::function<json()> state);
  /// Called while work is under way.
  void sample();
  /// {before, after, during}: `during` has the number of samples, the range of the SM clock, the
  /// highest temperature and power, and every throttle reason that any sample had. Null where there
  /// is no card.
  json end();

 private:
  std::function<json()> state_;
  json before_;
  json during_ = {{"samples", 0}};
};

}  // namespace sublab

// Keeps extremes and every reason (experiments/measure/card_watch.h).
#include "experiments/measure/card_watch.h"

#include <algorithm>

namespace sublab {
namespace card_watch {

void keep_most(json& kept, const char* key, const json& state, const char* of) {
  if (state.contains(of)) kept[key] = std::max(kept.value(key, -1e300), state[of].get<double>());
}

void keep_least(json& kept, const char* key, const json& state, const char* of) {
  if (state.contains(of)) kept[key] = std::min(kept.value(key, 1e300), state[of].get<double>());
}

}  // namespace card_watch

CardWatch::CardWatch(std::function<json()> state) : state_(std::move(state)), before_(state_()) {}

void CardWatch::sample() {
  using namespace card_watch;
  if (before_.is_null()) return;
  const json now = state_();
  during_["samples"] = during_["samples"].get<int64_t>() + 1;
  keep_least(during_, "sm_clock_mhz_min", now, "sm_clock_mhz");
  keep_most(during_, "sm_clock_mhz_max", now, "sm_clock_mhz");
  keep_most(during_, "temperature_c_max", now, "temperature_c");
  keep_most(during_, "power_w_max", now, "power_w");
  json& reasons = during_["throttle_reasons"];
  if (reasons.is_null()) reasons = json::array();
  for (const json& reason : now.value("throttle_reasons", json::array()))
    if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end())
      reasons.push_back(reason);
}

json CardWatch::end() {
  if (before_.is_null()) return nullptr;
  return {{"before", before_}, {"after", state_()}, {"during", during_}};
}

}  // namespace sublab

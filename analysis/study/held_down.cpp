// Reads what NVML said (analysis/study/held_down.h).
#include "analysis/study/held_down.h"

#include <set>

#include "analysis/text/format.h"

namespace sublab {
namespace held_down_detail {

/// Of the samples, or of the state after the rounds where there was none.
std::set<std::string> reasons_of(const json& card) {
  std::set<std::string> out;
  for (const char* when : {"before", "during", "after"})
    for (const json& reason :
         card.value(when, json::object()).value("throttle_reasons", json::array()))
      out.insert(reason.get<std::string>());
  for (const char* harmless : {"gpu_idle", "applications_clocks", "display_clocks"})
    out.erase(harmless);
  return out;
}

}  // namespace held_down_detail

std::string held_down(const json& card) {
  if (!card.is_object()) return "";
  constexpr double kSteady = 0.03;
  const auto reasons = held_down_detail::reasons_of(card);
  const json during = card.value("during", json::object());
  const double low = during.value("sm_clock_mhz_min", 0.0),
               high = during.value("sm_clock_mhz_max", 0.0);
  std::string out;
  if (!reasons.empty()) out = "the card was held down: " + join({reasons.begin(), reasons.end()});
  if (high > 0 && (high - low) / high > kSteady)
    out += (out.empty() ? "" : "; ") + std::string("its SM clock moved between ") + fixed(low, 0) +
           " and " + fixed(high, 0) + " MHz";
  return out;
}

}  // namespace sublab

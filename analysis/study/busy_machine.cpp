// Whether other programs ran beside a training, so that its seconds are not this machine's.
#include "analysis/study/busy_machine.h"

#include <algorithm>

#include "analysis/text/format.h"

namespace sublab {
namespace {

constexpr double kWaited = 0.1, kLoadAbove = 0.5;

std::optional<double> number_in(const json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_number() ? std::optional(at->get<double>()) : std::nullopt;
}

std::string percent(double share) { return fixed(100 * share, 0) + " %"; }

}  // namespace

std::optional<BusyMachine> busy_machine(const Record& record) {
  const auto seconds = training_seconds(record);
  if (!seconds) return std::nullopt;
  const auto cpu = number_in(record.times, "train_cpu_seconds"),
             waited = number_in(record.times, "train_wait_seconds");
  if (cpu && waited && *waited >= kWaited * (*cpu + *waited)) {
    const double share = *waited / (*cpu + *waited);
    return BusyMachine{share,
                       "ready to run, it had no core for " + percent(share) + " of the time"};
  }
  const auto threads = number_in(record.environment, "threads");
  if (cpu && threads == 1 && *cpu < (1 - kWaited) * *seconds)
    return BusyMachine{1 - *cpu / *seconds,
                       "its thread ran for " + percent(*cpu / *seconds) + " of the time"};
  if (waited) return std::nullopt;  // whatever else ran left it its cores
  const auto cores = number_in(record.environment, "cores");
  auto load = number_in(record.times, "train_load_at_start");
  if (!load) load = number_in(record.environment, "load_at_start");
  if (const auto end = number_in(record.times, "train_load_at_end"); load && end)
    load = std::min(*load, *end);
  if (!load || !cores || *cores < 1 || *load <= *cores + kLoadAbove) return std::nullopt;
  return BusyMachine{1 - *cores / *load,
                     "load " + fixed(*load, 1) + " on " + fixed(*cores, 0) + " cores"};
}

bool timed_on_busy_machine(const VariantData& variant) {
  const auto records = variant.good();
  return std::any_of(records.begin(), records.end(),
                     [](const Record* record) { return busy_machine(*record).has_value(); });
}

std::string busy_note(const StudyData& data) {
  BusyMachine worst;
  for (const VariantData& variant : data.variants)
    for (const Record* record : variant.good())
      if (const auto busy = busy_machine(*record); busy && busy->degree >= worst.degree)
        worst = *busy;
  return "timed on a busy machine, other programs ran beside it (at the worst: " + worst.text + ")";
}

}  // namespace sublab

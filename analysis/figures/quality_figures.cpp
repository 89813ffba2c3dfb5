// Quality against each cost that is known, with the Pareto front.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>

#include "analysis/figures/builders.h"
#include "analysis/figures/figures.h"
#include "analysis/statistics/statistics.h"
#include "analysis/study/busy_machine.h"
#include "analysis/study/slots.h"
#include "core/schema/metrics.h"

namespace sublab {

std::vector<size_t> pareto_front(const std::vector<double>& cost,
                                 const std::vector<double>& quality, bool higher_is_better) {
  const auto badness = [&](size_t i) { return higher_is_better ? -quality[i] : quality[i]; };
  std::vector<size_t> order(cost.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::pair(cost[a], badness(a)) < std::pair(cost[b], badness(b));
  });
  std::vector<size_t> out;
  for (const size_t i : order) {
    const bool equal =
        !out.empty() && cost[i] == cost[out.back()] && badness(i) == badness(out.back());
    if (out.empty() || equal || badness(i) < badness(out.back())) out.push_back(i);
  }
  return out;
}

namespace figures {
namespace {

struct Spread {
  double mean = 0, low = 0, high = 0;
};

std::optional<Spread> spread_of(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return Spread{mean_of(values), *low, *high};
}

struct Cost {
  std::string id, title, label, remark;
  std::function<std::vector<double>(const VariantData&)> values;
};

Cost cache_cost(const BenchMeasurement& decode) {
  const std::string condition =
      "context " + std::to_string(decode.context) + ", batch " + std::to_string(decode.batch);
  return {"cache", "cache after decoding", "cache after decoding, bytes (" + condition + ")", "",
          [&decode](const VariantData& variant) -> std::vector<double> {
            const BenchSeries* series = decode.find(variant.name);
            if (!series || series->kv_cache_bytes <= 0) return {};
            return {series->kv_cache_bytes};
          }};
}

/// Per mode the measurement at its longest context, of these at its smallest batch.
std::map<std::string, const BenchMeasurement*> longest_by_mode(const BenchFile& bench) {
  const auto rank = [](const BenchMeasurement& m) { return std::pair(m.context, -m.batch); };
  std::map<std::string, const BenchMeasurement*> out;
  for (const BenchMeasurement& measurement : bench.measurements) {
    const BenchMeasurement*& best = out[measurement.mode];
    if (!best || rank(measurement) > rank(*best)) best = &measurement;
  }
  return out;
}

/// Time per token and memory at the peak, as the rounds of a measurement had them.
void add_measured_costs(const BenchMeasurement& measurement, std::vector<Cost>& out) {
  const std::string mode = measurement.mode,
                    condition = " (context " + std::to_string(measurement.context) + ", batch " +
                                std::to_string(measurement.batch) + ")";
  const auto of = [&measurement](double (*read)(const BenchSeries&)) {
    return [&measurement, read](const VariantData& variant) -> std::vector<double> {
      const BenchSeries* series = measurement.find(variant.name);
      const double value = series ? read(*series) : 0;
      return value > 0 ? std::vector<double>{value} : std::vector<double>{};
    };
  };
  out.push_back({mode + "_token", "measured time of " + mode,
                 mode + ", measured microseconds per token" + condition,
                 "Time is the median of rounds taken in turns. ", of([](const BenchSeries& series) {
                   return series.tokens_per_round > 0
                              ? 1e6 * median(series.seconds) / series.tokens_per_round
                              : 0;
                 })});
  out.push_back({mode + "_memory", "measured memory of " + mode,
                 mode + ", measured peak memory, bytes" + condition, "",
                 of([](const BenchSeries& series) { return series.peak_memory_bytes; })});
}

std::string busy_variants(const StudyData& data) {
  std::vector<std::string> names;
  for (const VariantData& variant : data.variants)
    if (timed_on_busy_machine(variant)) names.push_back(variant.name);
  return names.empty() ? "" : "Timed on a busy machine: " + join(names) + ". ";
}

std::vector<Cost> costs_of(const StudyData& data) {
  const auto by_record = [](const Reading& read) {
    return [read](const VariantData& variant) { return readings(variant.good(), read); };
  };
  std::vector<Cost> out = {
      {"train_flops", "training FLOPs", "training FLOPs", "",
       by_record([](const Record& record) -> std::optional<double> {
         const auto flops = training_flops(record);
         return flops && *flops > 0 ? flops : std::nullopt;  // nothing was trained
       })},
      {"train_seconds", "training time", "training time, seconds",
       "Time as it passed, whatever else the machine did. " + busy_variants(data),
       by_record(training_seconds)},
      {"train_memory", "training memory", "peak memory of training, bytes", "",
       by_record([](const Record& record) {
         const Metric* peak = train_memory(record);
         return peak ? peak->value : std::nullopt;
       })}};
  if (!data.bench) return out;
  for (const auto& [mode, measurement] : longest_by_mode(*data.bench))
    add_measured_costs(*measurement, out);
  for (const BenchMeasurement& measurement : data.bench->measurements)
    if (measurement.mode == "decode") {
      out.push_back(cache_cost(measurement));
      break;  // one condition is enough: a cache grows with context and batch alike for all
    }
  return out;
}

struct Quality {
  std::string id, title, label;
  bool higher_is_better;
  std::function<const Metric*(const Record&)> metric;
};

/// The headline's loss; accuracies where a study trains on something that has none.
std::vector<Quality> qualities_of(const StudyData& data) {
  std::vector<const Record*> records;
  for (const VariantData& variant : data.variants)
    for (const Record* record : variant.good()) records.push_back(record);
  const auto loss = [](const Record& record) { return record.find_headline(metric::kLossNats); };
  for (const Record* record : records)
    if (const Metric* metric = loss(*record); metric && metric->value)
      return {{"loss", "Held-out loss", "held-out loss, nats per token", false, loss}};
  std::vector<Quality> out;
  for (const Asked& asked : asked_of(data))
    for (const Slot& slot : slots_of(records, asked.of)) {
      if (!metric::is_accuracy(slot.name)) continue;
      out.push_back(
          {figure_id(slot.name, asked) + (slot.apart.empty() ? "" : "_" + slot.heading),
           "Accuracy in " + asked.title(slot.heading), "accuracy in " + asked.title(slot.heading),
           true,
           [slot, of = asked.of](const Record& record) { return slot.of(record, of(record)); }});
      out.back().id = safe_id(out.back().id);
    }
  return out;
}

/// A staircase: at each cost the best quality that is to be had for it.
FigureSeries front_of(const std::vector<FigureSeries>& points, bool higher_is_better) {
  std::vector<double> cost, quality;
  for (const FigureSeries& point : points)
    cost.push_back(point.x.front()), quality.push_back(point.y.front());
  FigureSeries out;
  out.kind = FigureSeries::Kind::guide;
  out.name = "Pareto front";
  out.style = 1;
  for (const size_t i : pareto_front(cost, quality, higher_is_better)) {
    if (!out.x.empty()) out.x.push_back(cost[i]), out.y.push_back(out.y.back());
    out.x.push_back(cost[i]);
    out.y.push_back(quality[i]);
  }
  return out;
}

Figure quality_figure(const StudyData& data, const Quality& quality, const Cost& cost) {
  Figure figure;
  figure.id = quality.id + "_against_" + cost.id;
  figure.title = quality.title + " against " + cost.title;
  figure.x.label = cost.label;
  figure.y.label = quality.label;
  size_t n_seeds = 0;
  for (size_t v = 0; v < data.variants.size(); ++v) {
    const VariantData& variant = data.variants[v];
    const auto values = readings(variant.good(), [&](const Record& record) {
      const Metric* metric = quality.metric(record);
      return metric ? metric->value : std::nullopt;
    });
    const auto x = spread_of(cost.values(variant)), y = spread_of(values);
    if (!x || !y) continue;
    n_seeds = std::max(n_seeds, values.size());
    FigureSeries point;
    point.kind = FigureSeries::Kind::points;
    point.name = variant.name;
    point.style = v;
    point.labels = {variant.name};
    point.x = {x->mean}, point.x_low = {x->low}, point.x_high = {x->high};
    point.y = {y->mean}, point.y_low = {y->low}, point.y_high = {y->high};
    figure.series.push_back(point);
  }
  figure.caption = cost.remark + seeds_text(n_seeds, "bars") + " The front: no other " +
                   "variant is better in one without being worse in the other.";
  return figure;
}

bool costs_differ(const Figure& figure) {
  double low = INFINITY, high = 0;
  for (const FigureSeries& point : figure.series)
    low = std::min(low, point.x.front()), high = std::max(high, point.x.front());
  return high > low * 1.001;
}

}  // namespace

void add_quality_figures(const StudyData& data, Report& report) {
  for (const Quality& quality : qualities_of(data))
    for (const Cost& cost : costs_of(data)) {
      Figure figure = quality_figure(data, quality, cost);
      if (!costs_differ(figure)) continue;  // then a table says it all
      figure.series.push_back(front_of(figure.series, quality.higher_is_better));
      report.figures.push_back(figure);
    }
}

}  // namespace figures
}  // namespace sublab

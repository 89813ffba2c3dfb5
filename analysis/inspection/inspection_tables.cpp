// What an inspection says in tables.
#include <algorithm>

#include "analysis/inspection/inspection.h"
#include "analysis/inspection/kept_histogram.h"
#include "analysis/tables/selection_tables.h"
#include "analysis/text/format.h"

namespace sublab {
namespace {

constexpr int64_t kBins = 16;

Cell number(double value, int digits) {
  Cell cell;
  if (!std::isfinite(value)) return cell;
  cell.value = value;
  cell.text = fixed(value, digits);
  return cell;
}

Cell share(double part, double whole) { return whole > 0 ? number(part / whole, 3) : Cell{}; }

/// A difference with its interval; without one where the text has too few blocks.
Cell difference(const Estimate& estimate) {
  Cell cell = number(estimate.value, 3);
  if (!cell.value) return cell;
  cell.text = signed_fixed(estimate.value, 3);
  if (!estimate.interval) return cell;
  cell.low = estimate.interval->low, cell.high = estimate.interval->high;
  cell.text += " " + interval_text(*estimate.interval, 3);
  cell.strong = !estimate.interval->contains(0);
  return cell;
}

Table contrast_table(const InspectedText& side, LossOf which) {
  const bool own = which == LossOf::token;
  Table table{own ? "Loss of predicting the tokens that were kept and dropped"
                  : "Loss of the predictions made from tokens that were kept and dropped",
              {{"kept", "tokens that entered the level"},
               {"dropped", "tokens that reached the level around it and no further"},
               {"loss, kept", "mean, nats"},
               {"loss, dropped", "mean, nats"},
               {"kept − dropped", "95 % interval over blocks of consecutive tokens"}},
              {}};
  for (int64_t level = 1; level <= side.n_levels(); ++level) {
    const Contrast contrast = kept_and_dropped(side, level, which);
    table.rows.push_back({"level " + std::to_string(level),
                          {number(contrast.n_with, 0), number(contrast.n_without, 0),
                           number(contrast.with, 3), number(contrast.without, 3),
                           contrast.possible ? difference(contrast.difference) : Cell{}}});
  }
  return table;
}

Table level_table(const InspectedText& side) {
  Table table{"Kept, by level",
              {{"tokens", "that entered the level; the boundary counts"},
               {"of the level around it", "share"},
               {"of all", "share"}},
              {}};
  std::vector<double> reached(static_cast<size_t>(side.n_levels()) + 1, 0);
  for (const InspectedToken& token : side.tokens)
    for (size_t level = 0; level <= token.depth; ++level) ++reached[level];
  for (size_t level = 1; level < reached.size(); ++level)
    table.rows.push_back({"level " + std::to_string(level),
                          {number(reached[level], 0), share(reached[level], reached[level - 1]),
                           share(reached[level], reached[0])}});
  return table;
}

Table module_table(const InspectedText& side) {
  Table table{"Modules",
              {{"level", "that it lets tokens into"},
               {"scored", "tokens that it was asked about; – = it has no scorer, all enter"},
               {"kept", "tokens that it let in"},
               {"share", "kept / asked"},
               {"lowest score", "threshold subtracted"},
               {"median", "of the scores"},
               {"highest", "of the scores"},
               {"mean weight", "of the gate, over the kept"}},
              {}};
  for (size_t m = 0; m < side.modules.size(); ++m) {
    const InspectedModule& module = side.modules[m];
    std::vector<double> scores;
    double kept = 0, weight = 0;
    for (const double score : module.scores)
      if (!std::isnan(score)) scores.push_back(score);
    for (const double w : module.weights)
      if (!std::isnan(w)) ++kept, weight += w;
    Row row{"module " + std::to_string(m), {number(static_cast<double>(module.level), 0)}};
    const auto n = static_cast<double>(scores.size());
    row.cells.push_back(n > 0 ? number(n, 0) : Cell{});
    row.cells.push_back(number(kept, 0));
    row.cells.push_back(share(kept, n));
    for (const double p : {0.0, 0.5, 1.0})
      row.cells.push_back(n > 0 ? number(percentile(scores, p), 3) : Cell{});
    row.cells.push_back(share(weight, kept));
    table.rows.push_back(row);
  }
  return table;
}

Table class_table(const InspectedText& side) {
  const auto n_classes = static_cast<int64_t>(kTokenClasses.size());
  Table table{"By class of token", {{"tokens", ""}, {"loss", "mean, nats"}}, {}};
  KeptHistogram kept(side.n_levels(), n_classes);
  std::vector<DocumentSum> losses(kTokenClasses.size()), seen(kTokenClasses.size());
  for (const InspectedToken& token : side.tokens) {
    const auto kind = static_cast<size_t>(token.kind);
    kept.add(static_cast<int64_t>(kind), token.depth);
    ++seen[kind].tokens;
    if (std::isnan(token.loss)) continue;
    losses[kind].loss += token.loss;
    ++losses[kind].tokens;
  }
  for (int64_t level = 1; level <= side.n_levels(); ++level)
    table.columns.push_back({"enters level " + std::to_string(level), "share of the class"});
  for (int64_t c = 0; c < n_classes; ++c) {
    const auto at = static_cast<size_t>(c);
    if (seen[at].tokens == 0) continue;
    Row row{kTokenClasses[at],
            {number(seen[at].tokens, 0),
             losses[at].tokens > 0 ? number(losses[at].loss / losses[at].tokens, 3) : Cell{}}};
    for (int64_t level = 1; level <= side.n_levels(); ++level)
      row.cells.push_back(share(kept.kept(level, c), kept.seen(level, c)));
    table.rows.push_back(row);
  }
  return table;
}

std::vector<double> depths_in(const std::vector<SharedUnit>& units, int side) {
  std::vector<double> out;
  for (const SharedUnit& unit : units) out.push_back(unit.depth[side]);
  return out;
}

Table overlap_table(const std::vector<SharedUnit>& units, int64_t n_levels) {
  Table table{"Overlap of the kept sets",
              {{"kept by A", "share"},
               {"kept by B", "share"},
               {"overlap", "kept by both / kept by either"},
               {"by chance", "the overlap if the two chose independently at these rates"}},
              {}};
  const auto a = depths_in(units, 0), b = depths_in(units, 1);
  for (int64_t level = 1; level <= n_levels; ++level) {
    const auto reaching = [&](const std::vector<double>& depths) {
      return static_cast<double>(std::count_if(depths.begin(), depths.end(), [&](double depth) {
        return depth >= static_cast<double>(level);
      }));
    };
    const Overlap overlap = overlap_of(a, b, level);
    const auto n = static_cast<double>(units.size());
    table.rows.push_back({"level " + std::to_string(level),
                          {share(reaching(a), n), share(reaching(b), n), number(overlap.jaccard, 3),
                           number(overlap.expected, 3)}});
  }
  return table;
}

Table difference_table(const std::vector<SharedUnit>& units, bool by_level, bool bytes) {
  const std::string unit = bytes ? "byte" : "token";
  Table table{"Loss per " + unit + ", and where the two differ",
              {{unit + "s", "that both predict"},
               {"loss of A", "mean, nats"},
               {"loss of B", "mean, nats"},
               {"A − B", "paired; 95 % interval over blocks of consecutive " + unit + "s"}},
              {}};
  const auto add = [&](const std::string& name, const auto& belongs) {
    double n = 0, loss[2] = {0, 0};
    std::vector<SharedUnit> chosen = units;
    for (SharedUnit& one : chosen) {
      if (!belongs(one) || std::isnan(one.loss[0]) || std::isnan(one.loss[1])) {
        one.loss[0] = one.loss[1] = kNone;
        continue;
      }
      ++n, loss[0] += one.loss[0], loss[1] += one.loss[1];
    }
    Row row{name, {number(n, 0), Cell{}, Cell{}, Cell{}}};
    if (n > 0)
      row.cells = {number(n, 0), number(loss[0] / n, 3), number(loss[1] / n, 3),
                   difference(loss_difference(chosen))};
    table.rows.push_back(row);
  };
  add("all", [](const SharedUnit&) { return true; });
  if (!by_level) return table;
  const auto kept = [](const SharedUnit& one, int side) { return one.depth[side] >= 1; };
  add("level 1 in both", [&](const SharedUnit& u) { return kept(u, 0) && kept(u, 1); });
  add("in A only", [&](const SharedUnit& u) { return kept(u, 0) && !kept(u, 1); });
  add("in B only", [&](const SharedUnit& u) { return !kept(u, 0) && kept(u, 1); });
  add("in neither", [&](const SharedUnit& u) { return !kept(u, 0) && !kept(u, 1); });
  return table;
}

}  // namespace

std::vector<Table> inspection_tables(const InspectedText& side) {
  if (side.modules.empty()) return {class_table(side)};
  return {level_table(side), contrast_table(side, LossOf::token),
          contrast_table(side, LossOf::prediction), module_table(side), class_table(side)};
}

Figure position_figure(const InspectedText& side, size_t number) {
  Figure figure;
  figure.id = "kept_by_place_" + std::to_string(number);
  figure.title = "Share of tokens that enter each level, by place in the window";
  figure.x.label = "place in the window, in sixteenths";
  figure.y.label = "share";
  KeptHistogram kept(side.n_levels(), kBins);
  for (size_t i = 0; i < side.tokens.size(); ++i)
    kept.add(static_cast<int64_t>(i) % side.window * kBins / side.window, side.tokens[i].depth);
  for (int64_t level = 1; level <= side.n_levels(); ++level) {
    FigureSeries line;
    line.name = "level " + std::to_string(level);
    line.style = static_cast<size_t>(level - 1);
    for (int64_t bin = 0; bin < kBins; ++bin)
      if (kept.seen(level, bin) > 0) {
        line.x.push_back(static_cast<double>(bin + 1));
        line.y.push_back(kept.kept(level, bin) / kept.seen(level, bin));
      }
    figure.series.push_back(line);
  }
  return figure;
}

std::vector<Table> comparison_tables(const Inspection& inspection) {
  if (inspection.alignment == Alignment::none) return {};
  const auto units = shared_units(inspection);
  const int64_t n_levels = std::min(inspection.sides[0].n_levels(), inspection.sides[1].n_levels());
  std::vector<Table> out = {
      difference_table(units, n_levels > 0, inspection.alignment == Alignment::bytes)};
  if (n_levels > 0) out.push_back(overlap_table(units, n_levels));
  return out;
}

}  // namespace sublab

// Cost of prompts and steps by context: measured where there was time and memory, modelled beyond.
#include <algorithm>
#include <set>

#include "analysis/study/context_cost.h"
#include "analysis/tables/tables.h"
#include "analysis/text/format.h"

namespace sublab {
namespace {

/// What is known of one variant in one mode, one row at a time.
struct Curve {
  std::string variant, trial;
  std::vector<ContextPoint> seconds, flops;  ///< of a prompt, or of a step
  std::optional<ContextModel> time, work;

  std::optional<double> measured(double context) const {
    for (const ContextPoint& point : seconds)
      if (point.context == context) return point.cost;
    return std::nullopt;
  }
};

std::vector<Curve> curves_of(const StudyData& data, const std::string& mode) {
  const bool step = mode == "decode";
  std::vector<Curve> out;
  for (const VariantData& variant : data.variants) {
    Curve curve{variant.name, "", {}, {}, {}, {}};
    for (const BenchMeasurement& measurement : data.bench->measurements) {
      if (measurement.mode != mode || measurement.batch != 1) continue;
      const BenchSeries* series = measurement.find(variant.name);
      if (!series) continue;
      const auto context = static_cast<double>(measurement.context);
      const double tokens = step ? 1 : context;
      curve.trial = series->trial;
      curve.seconds.push_back(
          {context, median(series->seconds) / series->tokens_per_round * tokens});
      if (series->flops_per_token)
        curve.flops.push_back({context, *series->flops_per_token * tokens});
    }
    curve.time = fit_context_model(curve.seconds, step);
    curve.work = fit_context_model(curve.flops, step);
    if (curve.time) out.push_back(curve);
  }
  return out;
}

std::string seconds_text(double seconds) {
  return seconds < 0.1 ? significant(seconds * 1e3, 3) + " ms" : significant(seconds, 3) + " s";
}

Cell time_cell(const Curve& curve, double context, Report& report) {
  Cell cell;
  const auto measured = curve.measured(context);
  cell.value = measured ? *measured : curve.time->at(context);
  cell.text = seconds_text(*cell.value);
  cell.records = {curve.trial};
  if (!measured)
    cell.notes.push_back(footnote(report,
                                  "modelled, not measured: a n + b n^2 (prompts) or c + d n "
                                  "(steps) through the contexts that "
                                  "were measured"));
  return cell;
}

Cell ratio_cell(double value, const Curve& curve) {
  return {significant(value, 3), value, {}, {}, false, {}, {curve.trial}};
}

void add_table(const std::string& title, const std::vector<Curve>& curves,
               const std::vector<double>& contexts, Report& report) {
  if (curves.empty()) return;
  Table table{title, {}, {}};
  const double longest = contexts.back();
  for (const double context : contexts)
    table.columns.push_back({"at " + si_text(context), "time, batch 1"});
  for (size_t c = 0; c + 1 < contexts.size(); ++c) {
    const std::string name = si_text(longest) + " / " + si_text(contexts[c]);
    table.columns.push_back({name, "ratio of times"});
    table.columns.push_back({"FLOPs " + name, "ratio of the ledger's FLOPs, causal attention"});
  }
  for (const Curve& curve : curves) {
    Row row{curve.variant, {}};
    for (const double context : contexts) row.cells.push_back(time_cell(curve, context, report));
    const auto time = [&](double n) { return curve.measured(n).value_or(curve.time->at(n)); };
    for (size_t c = 0; c + 1 < contexts.size(); ++c) {
      row.cells.push_back(ratio_cell(time(longest) / time(contexts[c]), curve));
      row.cells.push_back(
          curve.work ? ratio_cell(curve.work->at(longest) / curve.work->at(contexts[c]), curve)
                     : Cell{});
    }
    table.rows.push_back(row);
  }
  report.tables.push_back(table);
}

/// The talk's ratios, and what each formula makes of them with this reference.
void add_slide_claim(const Curve& prompt, const Curve& step, Report& report) {
  constexpr double n0 = 2000, n1 = 20000, n2 = 200000, r21 = 28, r20 = 112;
  report.findings.push_back(
      "A talk on SUBLLM states, without a source, that a context of 200k costs 28 times one of 20k "
      "and 112 times one of 2k: 4 times for the first tenfold, 28 times for the second. Here, "
      "for " +
      prompt.variant + ", prompts take " +
      significant(prompt.time->at(n2) / prompt.time->at(n1), 3) + " and " +
      significant(prompt.time->at(n2) / prompt.time->at(n0), 3) + " times, steps " +
      significant(step.time->at(n2) / step.time->at(n1), 3) + " and " +
      significant(step.time->at(n2) / step.time->at(n0), 3) + " times (modelled at 200k).");
  if (prompt.work && prompt.work->high > 0) {
    const double x = prompt.work->low / prompt.work->high;
    report.findings.push_back(
        "Formula 1, FLOPs of a prompt n + n^2 / X: each tenfold costs at least tenfold, so no X "
        "gives 4. With this model's X of " +
        si_text(x) + " tokens the ratios are " + significant(prompt_flops_ratio(n2, n1, x), 3) +
        " and " + significant(prompt_flops_ratio(n2, n0, x), 3) + ".");
  }
  if (const auto fixed = solve_fixed_part(n0, n1, n2, r21, r20))
    report.findings.push_back("Formula 2, with a fixed part F + n + n^2 / X: 28 and 112 need F = " +
                              si_text(fixed->fixed_tokens) + " tokens of prompt and X = " +
                              si_text(fixed->x) + " tokens, and no other pair gives them.");
  const auto request = solve_request(*prompt.time, *step.time, n0, n1, n2, r21);
  report.findings.push_back(
      request
          ? "Formula 3, time of a request prompt(n) + m step(n) with the times measured here: 28 "
            "needs m = " +
                significant(request->answer_tokens, 3) + " answer tokens, and then 200k costs " +
                significant(request->ratio20, 3) + " times 2k (claimed: 112)."
          : "Formula 3, time of a request prompt(n) + m step(n) with the times measured here: no "
            "number m of answer tokens gives 28.");
}

}  // namespace

void add_context_table(const StudyData& data, Report& report) {
  const auto beyond = data.plan.measure.value("modelled_context", std::vector<double>{});
  if (!data.bench || beyond.empty()) return;
  std::set<double> all(beyond.begin(), beyond.end());
  for (const BenchMeasurement& measurement : data.bench->measurements)
    all.insert(static_cast<double>(measurement.context));
  const std::vector<double> contexts(all.begin(), all.end());
  const auto prompts = curves_of(data, "prefill"), steps = curves_of(data, "decode");
  add_table("Reading a prompt, by context", prompts, contexts, report);
  add_table("One step, by context", steps, contexts, report);
  if (prompts.empty() || steps.empty()) return;
  for (const double needed : {2000.0, 20000.0, 200000.0})
    if (!all.count(needed)) return;
  add_slide_claim(prompts.front(), steps.front(), report);
}

}  // namespace sublab

#include "analysis/report.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "analysis/compare.h"
#include "analysis/figures.h"
#include "analysis/format.h"
#include "analysis/selection_tables.h"
#include "analysis/speed_table.h"

namespace sublab {
namespace {

/// Mean of a metric over good records, or nothing; `note` gets the reason.
std::optional<double> mean_metric(const std::vector<const Record*>& records,
                                  const std::string& name, std::string* note = nullptr) {
  double sum = 0;
  int64_t n = 0;
  for (const Record* record : records) {
    const Metric* metric = record->find(name);
    if (metric && metric->value) sum += *metric->value, ++n;
    if (metric && !metric->value && note) *note = metric->note;
  }
  return n ? std::optional(sum / static_cast<double>(n)) : std::nullopt;
}

class Builder {
 public:
  explicit Builder(const StudyData& data) : data_(data) {}

  Report build() {
    report_.study = data_.plan.study;
    report_.question = data_.plan.question;
    compare_all();
    report_.tables.push_back(cost_table());
    report_.tables.push_back(quality_table());
    if (data_.bench) add_speed_tables(*data_.bench, report_);
    add_selection_tables(data_, report_);
    add_facts();
    add_findings();
    add_figures(data_, report_);
    return std::move(report_);
  }

 private:
  size_t note(const std::string& text) { return footnote(report_, text); }

  void compare_all() {
    const VariantData& reference = data_.variant(data_.plan.compare_to);
    std::vector<double> p_values;
    for (const VariantData& variant : data_.variants) {
      comparisons_.push_back(compare_losses(variant, reference));
      if (&variant != &reference && comparisons_.back().possible)
        p_values.push_back(comparisons_.back().p_value);
    }
    const auto adjusted = holm(p_values);
    size_t next = 0;
    for (size_t i = 0; i < data_.variants.size(); ++i)
      if (data_.variants[i].name != data_.plan.compare_to && comparisons_[i].possible)
        comparisons_[i].p_value = adjusted[next++];
  }

  Cell metric_cell(const VariantData& variant, const std::string& name,
                   const std::function<std::string(double)>& show) {
    Cell cell;
    std::string reason;
    const auto records = variant.good();
    cell.value = mean_metric(records, name, &reason);
    if (cell.value)
      cell.text = show(*cell.value);
    else if (!reason.empty())
      cell.notes.push_back(note(name + ": " + reason));
    for (const Record* record : records) cell.records.push_back(record->id);
    return cell;
  }

  Cell failure_cell(const VariantData& variant) {
    Cell cell;
    const auto good = variant.good().size();
    cell.text = std::to_string(good) + "/" + std::to_string(data_.plan.seeds.size());
    cell.value = static_cast<double>(good);
    for (const Record& record : variant.records) {
      cell.records.push_back(record.id);
      if (record.outcome != "ok")
        cell.notes.push_back(note(variant.name + ", seed " + std::to_string(record.seed) + ": " +
                                  record.outcome +
                                  (record.detail.empty() ? "" : " (" + record.detail + ")")));
    }
    return cell;
  }

  Table cost_table() {
    Table table{"Cost",
                {{"parameters", "all trained numbers"},
                 {"non-embedding", "without embedding and head"},
                 {"FLOPs/token", "training: 3 forward passes, causal attention, from the ledger"},
                 {"of " + data_.plan.compare_to, "training FLOPs relative to the reference"},
                 {"tokens/param", "training tokens per parameter"},
                 {"learning rate", "peak"},
                 {"train memory", "peak resident set above start-up while training"},
                 {"trials", "ended well / planned"}},
                {}};
    const auto reference =
        mean_metric(data_.variant(data_.plan.compare_to).good(), "train_flops_per_token");
    for (const VariantData& variant : data_.variants) {
      Row row{variant.name, {}};
      row.cells.push_back(metric_cell(variant, "n_params", si_text));
      row.cells.push_back(metric_cell(variant, "n_params_non_embedding", si_text));
      row.cells.push_back(metric_cell(variant, "train_flops_per_token", si_text));
      Cell relative = row.cells.back();
      if (relative.value && reference) {
        relative.value = *relative.value / *reference;
        relative.text = fixed(*relative.value, 3);
      }
      row.cells.push_back(relative);
      row.cells.push_back(
          metric_cell(variant, "tokens_per_parameter", [](double v) { return fixed(v, 2); }));
      Cell rate;
      if (!variant.records.empty()) {
        rate.value = variant.records.front().config.at("train").at("learning_rate").get<double>();
        rate.text = significant(*rate.value, 3);
      }
      row.cells.push_back(rate);
      row.cells.push_back(metric_cell(variant, "peak_memory_bytes",
                                      [](double v) { return fixed(v / 1e6, 0) + " MB"; }));
      row.cells.push_back(failure_cell(variant));
      table.rows.push_back(row);
    }
    return table;
  }

  std::vector<std::string> kept_levels() const {
    std::set<std::string> names;
    for (const VariantData& variant : data_.variants)
      for (const Record* record : variant.good())
        for (const Metric& metric : record->metrics)
          if (metric.name.starts_with("kept_fraction_")) names.insert(metric.name);
    return {names.begin(), names.end()};
  }

  Cell loss_cell(const VariantData& variant) {
    Cell cell = metric_cell(variant, "valid_loss_nats", [](double v) { return fixed(v, 4); });
    if (!cell.value || variant.losses.empty()) return cell;
    const Estimate estimate = variant_loss(variant);
    cell.low = estimate.interval.low;
    cell.high = estimate.interval.high;
    cell.text += " " + interval_text(estimate.interval, 3);
    if (!estimate.reliable)
      cell.notes.push_back(note("unreliable: fewer than 20 effective documents (" +
                                fixed(estimate.clusters, 1) + ")"));
    return cell;
  }

  Cell difference_cell(size_t i) {
    Cell cell;
    const Comparison& comparison = comparisons_[i];
    if (data_.variants[i].name == data_.plan.compare_to) return cell;
    if (!comparison.possible) {
      cell.notes.push_back(note(data_.variants[i].name + " against " + data_.plan.compare_to +
                                ": " + comparison.reason));
      return cell;
    }
    cell.value = comparison.difference.value;
    cell.low = comparison.difference.interval.low;
    cell.high = comparison.difference.interval.high;
    cell.text =
        signed_fixed(*cell.value, 4) + " " + interval_text(comparison.difference.interval, 4);
    cell.strong = comparison.p_value < 0.05 && !comparison.difference.interval.contains(0);
    for (const Record* record : data_.variants[i].good()) cell.records.push_back(record->id);
    if (!comparison.difference.reliable && comparison.n_seeds == 1)
      cell.notes.push_back(note("unreliable: fewer than 20 effective documents (" +
                                fixed(comparison.difference.clusters, 1) + ")"));
    return cell;
  }

  Cell verdict_cell(size_t i) const {
    Cell cell;
    const Comparison& comparison = comparisons_[i];
    if (data_.variants[i].name == data_.plan.compare_to || !comparison.possible) return cell;
    const bool clear = comparison.p_value < 0.05 && !comparison.difference.interval.contains(0);
    cell.text = !clear ? "unclear" : comparison.difference.value < 0 ? "better" : "worse";
    cell.text +=
        " (p " +
        (comparison.p_value < 0.001 ? std::string("< 0.001") : fixed(comparison.p_value, 3)) + ")";
    cell.value = comparison.p_value;
    cell.strong = clear;
    return cell;
  }

  Cell recall_cell(const VariantData& variant) {
    Cell cell;
    const auto probe = variant.probes.find("recall");
    // Trials of their own, or those of a study that trains on nothing else.
    const auto& records = probe == variant.probes.end() ? variant.records : probe->second;
    double hits = 0, n = 0, chance = 0;
    for (const Record& record : records) {
      const Metric* metric = record.find("recall_accuracy");
      if (!metric && probe == variant.probes.end()) continue;
      cell.records.push_back(record.id);
      if (!metric || !metric->value) {
        cell.notes.push_back(
            note(variant.name + ", recall: " + record.outcome + " " + record.detail));
        continue;
      }
      const double rows = metric->conditions.value("n_rows", 1.0);
      hits += *metric->value * rows, n += rows;
      chance = metric->conditions.value("chance", 0.0);
    }
    if (n == 0) return cell;
    // Queries of one row depend on each other, so rows are what is counted.
    const Estimate estimate = proportion(hits, n);
    cell.value = estimate.value;
    cell.low = estimate.interval.low;
    cell.high = estimate.interval.high;
    cell.text = fixed(estimate.value, 3) + " " + interval_text(estimate.interval, 3);
    recall_chance_ = chance;
    return cell;
  }

  Cell causality_cell(const VariantData& variant) {
    Cell cell;
    for (const Record* record : variant.good()) {
      const std::string verdict = record->audit.value("verdict", "not audited");
      cell.text = cell.records.empty() || cell.text == verdict ? verdict : "differs by seed";
      cell.records.push_back(record->id);
    }
    return cell;
  }

  Table quality_table() {
    const auto levels = kept_levels();
    Table table{"Quality",
                {{"loss", "validation, nats per token, evaluate mode, with 95 % interval"},
                 {"minus " + data_.plan.compare_to, "paired by document, with 95 % interval"},
                 {"verdict", "after Holm's correction over the comparisons of this table"},
                 {"bits/byte", "loss per byte of text"},
                 {"perplexity", "exp(loss)"},
                 {"gap", "loss with train-mode selection minus loss with evaluate-mode selection"}},
                {}};
    for (const std::string& level : levels)
      table.columns.push_back({"kept L" + level.substr(14),
                               "kept / parent tokens by the threshold, on validation text"});
    table.columns.push_back(
        {"recall",
         "multi-query associative recall, from trials of its own, with 95 % interval over rows"});
    table.columns.push_back({"causality", "audit of the trained weights in fp64"});
    for (size_t i = 0; i < data_.variants.size(); ++i) {
      const VariantData& variant = data_.variants[i];
      Row row{variant.name, {loss_cell(variant), difference_cell(i), verdict_cell(i)}};
      row.cells.push_back(
          metric_cell(variant, "valid_bits_per_byte", [](double v) { return fixed(v, 4); }));
      row.cells.push_back(
          metric_cell(variant, "valid_perplexity", [](double v) { return fixed(v, 1); }));
      row.cells.push_back(
          metric_cell(variant, "selection_gap_nats", [](double v) { return signed_fixed(v, 4); }));
      for (const std::string& level : levels)
        row.cells.push_back(metric_cell(variant, level, [](double v) { return fixed(v, 3); }));
      row.cells.push_back(recall_cell(variant));
      row.cells.push_back(causality_cell(variant));
      table.rows.push_back(row);
    }
    return table;
  }

  void add_facts() {
    const auto& seeds = data_.plan.seeds;
    report_.facts.push_back(
        seeds.size() == 1
            ? "One seed: intervals are over documents and hold for these checkpoints; they say "
              "nothing about the recipe."
            : std::to_string(seeds.size()) +
                  " seeds: intervals are t over seeds and hold for the recipe on these documents.");
    for (const VariantData& variant : data_.variants) {
      if (variant.good().empty()) continue;
      const Record& record = *variant.good().front();
      const json& train = record.config.at("train");
      const json& data = record.config.at("data");
      report_.facts.push_back(
          "Trained on " + si_text(train.at("tokens").get<double>()) + " tokens each (batches of " +
          si_text(train.at("batch_tokens").get<double>()) + ", context " +
          data.at("context_len").dump() + ", tokenizer " + data.at("tokenizer").get<std::string>() +
          ") of " + corpus_text(data) + ".");
      if (const Metric* loss = record.find("valid_loss_nats"))
        report_.facts.push_back(
            "Evaluated on " + si_text(loss->conditions.value("tokens", 0.0)) + " tokens of " +
            loss->conditions.value("documents", json(0)).dump() + " held-out documents (" +
            loss->conditions.value("split", "") + " split), window " +
            loss->conditions.value("window", json(0)).dump() + ", stride " +
            loss->conditions.value("stride", json(0)).dump() +
            "; sum of losses over sum of tokens.");
      report_.facts.push_back("Machine: " + record.environment.value("cpu", "unknown CPU") + ", " +
                              record.environment.value("cores", json(0)).dump() + " cores, " +
                              record.environment.value("instruction_set", "") + ", " +
                              record.environment.value("threads", json(0)).dump() +
                              " threads; LibTorch " + record.environment.value("libtorch", "") +
                              ".");
      break;
    }
    add_code_fact();
    if (recall_chance_ > 0)
      report_.facts.push_back("Recall: chance is " + fixed(recall_chance_, 4) + ".");
  }

  static std::string corpus_text(const json& data) {
    std::vector<std::string> names;
    for (const json& name : data.at("corpus")) names.push_back(name.get<std::string>());
    return join(names);
  }

  void add_code_fact() {
    std::set<std::string> commits;
    for (const VariantData& variant : data_.variants)
      for (const Record& record : variant.records)
        if (record.provenance.contains("commit"))
          commits.insert(record.provenance.value("commit", "").substr(0, 10) +
                         (record.provenance.value("dirty", false) ? " + changes" : ""));
    if (!commits.empty())
      report_.facts.push_back((commits.size() > 1 ? "Code: several versions, " : "Code: ") +
                              join(std::vector<std::string>(commits.begin(), commits.end())) + ".");
  }

  void add_findings() {
    const VariantData& reference = data_.variant(data_.plan.compare_to);
    const auto records = reference.good();
    const auto loss = mean_metric(records, "valid_loss_nats"),
               trigram = mean_metric(records, "trigram_loss_nats");
    if (loss && trigram)
      report_.findings.push_back(
          "An interpolated trigram counted on the same training tokens has loss " +
          fixed(*trigram, 4) + "; " + reference.name +
          (*loss < *trigram ? " beats it by " : " does not beat it: it is worse by ") +
          fixed(std::abs(*trigram - *loss), 4) + " nats.");
    const auto early = mean_metric(records, "loss_early_nats"),
               late = mean_metric(records, "loss_late_nats");
    if (early && late)
      report_.findings.push_back(
          "In full windows " + reference.name + " has loss " + fixed(*early, 4) +
          " over the first quarter and " + fixed(*late, 4) + " over the last: " +
          (*late < *early ? "it uses its context." : "it does not use its context."));
    add_detectable();
    add_not_matched();
    if (data_.missing > 0)
      report_.findings.push_back(std::to_string(data_.missing) +
                                 " planned trials have no record yet.");
  }

  void add_detectable() {
    double largest = 0;
    for (const Comparison& comparison : comparisons_)
      largest = std::max(largest, comparison.smallest_detectable);
    if (largest > 0)
      report_.findings.push_back(
          "The smallest difference in loss that this design would find 8 times in 10, before "
          "correction: up to " +
          fixed(largest, 4) + " nats.");
  }

  void add_not_matched() {
    std::set<std::string> matched;
    for (const json& match : data_.plan.match) matched.insert(match.value("by", ""));
    std::vector<std::string> open;
    for (const auto& [name, metric] : std::vector<std::pair<std::string, std::string>>{
             {"training tokens", "train_tokens"},
             {"training FLOPs", "train_flops_per_token"},
             {"parameters", "n_params"}}) {
      double low = INFINITY, high = 0;
      for (const VariantData& variant : data_.variants)
        if (const auto value = mean_metric(variant.good(), metric))
          low = std::min(low, *value), high = std::max(high, *value);
      if (high > low * 1.001) open.push_back(name + " (up to " + fixed(high / low, 2) + "x)");
    }
    std::string text =
        "Held equal: " +
        (matched.empty() ? "nothing was declared" : join({matched.begin(), matched.end()})) + ".";
    if (!open.empty()) text += " Not equal: " + join(open) + ".";
    report_.findings.push_back(text);
  }

  const StudyData& data_;
  Report report_;
  std::vector<Comparison> comparisons_;
  double recall_chance_ = 0;
};

}  // namespace

Report build_report(const fs::path& study_folder) {
  const StudyData data = read_study_data(study_folder);
  return Builder(data).build();
}

}  // namespace sublab

// Sentences: what holds for all rows, and what follows for the reader.
#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "analysis/study/questions.h"
#include "analysis/tables/cells.h"
#include "analysis/tables/tables.h"
#include "analysis/text/format.h"
#include "analysis/text/rope_text.h"
#include "core/schema/trial_config.h"

namespace sublab {
namespace {

const Record* first_good(const StudyData& data) {
  for (const VariantData& variant : data.variants)
    if (const auto good = variant.good(); !good.empty()) return good.front();
  return nullptr;
}

std::string seeds_fact(const StudyData& data) {
  const size_t n = data.plan.seeds.size();
  for (const VariantData& variant : data.variants)
    if (const std::string why = too_little_text(variant); !why.empty())
      return "No loss has an interval, and no difference a verdict: " + why +
             ". The numbers hold for these checkpoints on these documents.";
  const bool rows = lacks_losses(data);
  const std::string drawn = rows ? "rows" : "documents";
  return n == 1 ? "One seed: intervals are over " + drawn +
                      " and hold for these checkpoints; they say nothing about the recipe."
                : std::to_string(n) + " seeds: intervals are over seeds (t with " +
                      std::to_string(n - 1) + " degrees of freedom) and " + drawn +
                      (rows ? " (Wilson)" : " (bootstrap)") + ", and hold for the recipe on " +
                      drawn + " like these.";
}

/// What few seeds assume.
void add_few_seeds_fact(const StudyData& data, Report& report) {
  const size_t n = data.plan.seeds.size();
  constexpr size_t kFew = 3;
  if (n < 2 || n > kFew) return;
  for (const VariantData& variant : data.variants)
    if (!too_little_text(variant).empty()) return;  // there is no interval
  report.facts.push_back(
      "With " + std::to_string(n) +
      " seeds the interval assumes that effects of seeds are symmetric; a rare "
      "bad seed gives false positives. Every seed stands in the tables by seed.");
}

std::string corpus_text(const json& data) {
  std::vector<std::string> names;
  for (const json& name : data.at("corpus")) names.push_back(name.get<std::string>());
  return join(names);
}

/// " Not so: b, c." of the variants whose records differ from `first` in what `of` says.
std::string exceptions(const StudyData& data, const Record& first,
                       const std::function<json(const Record&)>& of) {
  std::vector<std::string> names;
  for (const VariantData& variant : data.variants)
    for (const Record* each : variant.good())
      if (of(*each) != of(first) && (names.empty() || names.back() != variant.name))
        names.push_back(variant.name);
  return names.empty() ? "" : " Not so: " + join(names) + ".";
}

std::string training_fact(const StudyData& data, const Record& record) {
  const auto batches = [](const Record& each) {
    const json& own = each.config.at("data");
    return json{own.at("corpus"),
                own.at("tokenizer"),
                own.at("context_len"),
                train_task_of(own.at("train_on")),
                each.config.at("train").at("batch_tokens"),
                each.config.at("train").at("final_learning_rate")};
  };
  std::set<double> tokens;
  for (const VariantData& variant : data.variants)
    for (const Record* each : variant.good())
      tokens.insert(each->config.at("train").at("tokens").get<double>());
  const json& train = record.config.at("train");
  const json& text = record.config.at("data");
  return "Trained on " +
         (tokens.size() == 1
              ? si_text(*tokens.begin()) + " tokens each"
              : si_text(*tokens.begin()) + " to " + si_text(*tokens.rbegin()) + " tokens") +
         " (batches of " + si_text(train.at("batch_tokens").get<double>()) + ", context " +
         text.at("context_len").dump() + ", tokenizer " +
         shown_path(text.at("tokenizer").get<std::string>()) + ") of " +
         (train_task_of(text.at("train_on")) == "text"
              ? corpus_text(text)
              : "the task " + train_task_of(text.at("train_on"))) +
         ". Every run ends its own schedule: cosine to " +
         significant(train.at("final_learning_rate").get<double>(), 3) +
         " of the peak at its last token." + exceptions(data, record, batches);
}

/// Names how each variant stretches its rotary positions; nothing where none does.
void add_rope(const StudyData& data, Report& report) {
  std::vector<std::pair<std::string, std::vector<std::string>>> stretched;  // text -> variants
  size_t n_plain = 0;
  for (const VariantData& variant : data.variants) {
    const auto good = variant.good();
    if (good.empty()) continue;
    const std::string text = rope_text(good.front()->config.value("model", json::object()));
    auto found = std::find_if(stretched.begin(), stretched.end(),
                              [&](const auto& each) { return each.first == text; });
    if (text.empty())
      ++n_plain;
    else if (found == stretched.end())
      stretched.push_back({text, {variant.name}});
    else
      found->second.push_back(variant.name);
  }
  if (stretched.empty()) return;
  std::vector<std::string> parts;
  for (const auto& [text, variants] : stretched) parts.push_back(text + " in " + join(variants));
  report.facts.push_back("Rotary positions: " + join(parts, "; ") +
                         (n_plain > 0 ? "; as trained in the others." : "."));
}

std::string evaluation_fact(const StudyData& data, const Record& record, const Metric& loss) {
  const auto conditions = [](const Record& each) {
    const Metric* own = each.find_headline(metric::kLossNats);
    json said = own ? own->conditions : json::object();
    said.erase("tokens");  // a tokenizer of its own makes other tokens of the same text
    return said;
  };
  const json& about = loss.conditions;
  return "Evaluated on " + si_text(about.value("tokens", 0.0)) + " tokens of " +
         about.value("documents", json(0)).dump() + " held-out documents (" +
         about.value(condition::kSplit, "") + " split), window " +
         about.value(condition::kWindow, json(0)).dump() + ", stride " +
         about.value(condition::kStride, json(0)).dump() + "; sum of losses over sum of tokens." +
         exceptions(data, record, conditions);
}

/// Which of several evaluations comparisons and tuning stand on.
void add_headline(const StudyData& data, const Record& record, Report& report) {
  const RecordedEvaluation* headline = record.evaluation(record.headline());
  if (!headline) return;
  for (const TaskQuestions& task : questions_of(data)) {
    if (task.task != headline->task || !task.spanned) continue;
    for (const AskedQuestion& question : task.questions)
      if (question.conditions == headline->conditions)
        report.facts.push_back("The study asks " + std::to_string(task.questions.size()) +
                               " questions of " + task.task + ", by " + task.axis +
                               "; comparisons, verdicts, equal cost and the tuning of learning "
                               "rates stand on the first: " +
                               question.label + ".");
  }
}

/// Rates that were tried for a variant: the grid, and what widened it.
struct TriedRates {
  std::set<double> grid, further;
  std::set<double> all() const {
    std::set<double> out = grid;
    out.insert(further.begin(), further.end());
    return out;
  }
};

TriedRates tried_rates(const StudyData& data, const VariantData& variant) {
  TriedRates out;
  const auto records = variant.probes.find(kTuneProbe);
  const auto is_there = [&](const PlannedTrial& trial) {
    return records != variant.probes.end() &&
           std::any_of(records->second.begin(), records->second.end(),
                       [&](const Record& record) { return record.id == trial.id; });
  };
  for (const PlannedTrial& trial : data.plan.trials)
    if (trial.probe == kTuneProbe && trial.variant == variant.name)
      if (trial.widens == 0 || is_there(trial))
        (trial.widens == 0 ? out.grid : out.further)
            .insert(trial.config.at("train").at("learning_rate").get<double>());
  return out;
}

/// Whether the choice lies inside what was tried, variant by variant.
void add_edges(const StudyData& data, Report& report) {
  std::vector<std::string> edge, widened, inside;
  for (const VariantData& variant : data.variants) {
    const TriedRates tried = tried_rates(data, variant);
    const std::set<double> all = tried.all();
    if (variant.records.empty() || all.empty()) continue;
    const double rate = variant.records[0].config.at("train").at("learning_rate").get<double>();
    if (!tried.further.empty())
      widened.push_back(variant.name + " by " + std::to_string(tried.further.size()));
    (rate == *all.begin() || rate == *all.rbegin() ? edge : inside).push_back(variant.name);
  }
  const bool may_widen = std::any_of(data.plan.trials.begin(), data.plan.trials.end(),
                                     [](const PlannedTrial& trial) { return trial.widens != 0; });
  if (may_widen)
    report.facts.push_back("A grid whose edge is best widens: " +
                           (widened.empty() ? std::string("none had to") : join(widened)) + "; " +
                           std::to_string(data.not_needed.size()) +
                           " trials were not needed. Inside what was tried: " +
                           (inside.empty() ? std::string("none") : join(inside)) + ".");
  if (!edge.empty())
    report.findings.push_back((may_widen ? "The edge of the learning-rate grid, widened as it was, "
                                           "was chosen by "
                                         : "The edge of the learning-rate grid was chosen by ") +
                              join(edge) + ": a wider grid might serve them better.");
}

/// How learning rates were chosen, and whether the choice can be trusted.
void add_tuning(const StudyData& data, const Record& record, Report& report) {
  std::set<double> grid;
  for (const VariantData& variant : data.variants) grid.merge(tried_rates(data, variant).grid);
  if (grid.empty()) return;
  const Metric* loss = record.find_headline(metric::kLossNats);
  const std::string split = loss ? loss->conditions.value(condition::kSplit, "") : "";
  report.facts.push_back("Learning rates: the best of " + std::to_string(grid.size()) +
                         " per variant by loss on validation documents, first seed.");
  if (split == "validation")
    report.findings.push_back(
        "The losses stand on the validation documents that chose the learning rates, which favours "
        "variants whose loss varies more; take the test split.");
  add_edges(data, report);
}

std::string machine_fact(const json& environment) {
  return "Machine: " + environment.value("cpu", "unknown CPU") + ", " +
         environment.value("cores", json(0)).dump() + " cores, " +
         environment.value("instruction_set", "") + ", " +
         environment.value("threads", json(0)).dump() + " threads; LibTorch " +
         environment.value("libtorch", "") + ".";
}

void add_code_fact(const StudyData& data, Report& report) {
  std::set<std::string> commits;
  for (const VariantData& variant : data.variants)
    for (const Record& record : variant.records) {
      const json& made = record.provenance;
      if (made.contains("commit"))
        commits.insert(made.value("commit", "").substr(0, 10) +
                       (made.value("dirty", false) ? " + changes" : ""));
      if (made.contains("trained_by_commit"))
        commits.insert(made.value("trained_by_commit", "").substr(0, 10));
    }
  if (!commits.empty())
    report.facts.push_back((commits.size() > 1 ? "Code: several versions, " : "Code: ") +
                           join(std::vector<std::string>(commits.begin(), commits.end())) + ".");
}

void add_baselines(const StudyData& data, Report& report) {
  const VariantData& reference = data.variant(data.plan.compare_to);
  const auto records = reference.good();
  const auto loss = mean_metric(records, metric::kLossNats),
             trigram = mean_metric(records, metric::kTrigramLossNats);
  if (loss && trigram)
    report.findings.push_back(
        "An interpolated trigram counted on the same training tokens has loss " +
        fixed(*trigram, 4) + "; " + reference.name +
        (*loss < *trigram ? " beats it by " : " does not beat it: it is worse by ") +
        fixed(std::abs(*trigram - *loss), 4) + " nats.");
  const auto early = mean_metric(records, metric::kLossEarlyNats),
             late = mean_metric(records, metric::kLossLateNats);
  if (early && late)
    report.findings.push_back(
        "In full windows " + reference.name + " has loss " + fixed(*early, 4) +
        " over the first quarter and " + fixed(*late, 4) + " over the last: " +
        (*late < *early ? "it uses its context." : "it does not use its context."));
}

/// What differences the study can find at all.
void add_detectable(const std::vector<Comparison>& comparisons, Report& report) {
  double largest = 0, largest_holm = 0;
  int64_t n = 1;
  for (const Comparison& each : comparisons) {
    largest = std::max(largest, each.smallest_detectable.value_or(0));
    largest_holm = std::max(largest_holm, each.smallest_detectable_holm.value_or(0));
    n = std::max(n, each.n_declared);
  }
  if (largest == 0) return;
  report.findings.push_back(
      "The smallest difference in loss that this design would find 8 times in 10: up to " +
      fixed(largest, 4) + " nats uncorrected" +
      (n == 1 ? "."
              : ", up to " + fixed(largest_holm, 4) + " after Holm's correction over " +
                    std::to_string(n) + " comparisons."));
}

}  // namespace

void add_facts(const StudyData& data, const std::vector<Comparison>& comparisons, Report& report) {
  report.facts.push_back(seeds_fact(data));
  add_few_seeds_fact(data, report);
  if (const Record* record = first_good(data)) {
    report.facts.push_back(training_fact(data, *record));
    add_rope(data, report);
    if (const Metric* loss = record->find_headline(metric::kLossNats))
      report.facts.push_back(evaluation_fact(data, *record, *loss));
    add_headline(data, *record, report);
    add_tuning(data, *record, report);
    report.facts.push_back(machine_fact(record->environment));
  }
  add_code_fact(data, report);
  add_baselines(data, report);
  add_detectable(comparisons, report);
  if (data.plan.match.empty())
    report.findings.push_back("Nothing was declared to be held equal between the variants.");
  if (data.missing > 0)
    report.findings.push_back(std::to_string(data.missing) + " planned trials have no record yet.");
}

}  // namespace sublab

// sublab compare: two variants of a study, paired.
#include "analysis/study/compare.h"

#include <cstdio>
#include <iostream>

#include "analysis/text/format.h"
#include "experiments/cli/command.h"

namespace sublab {
namespace {

json number(const std::optional<double>& value) { return value ? json(*value) : json(); }

bool is_accuracy(const Comparison& c) { return c.unit == DifferenceUnit::accuracy; }

void print_power(const char* when, const std::optional<double>& detectable,
                 const std::string& settle) {
  if (detectable)
    std::printf("smallest difference found 8 times in 10, %s: %.4f\n", when, *detectable);
  if (!settle.empty())
    std::printf("to settle a difference of this size, %s: %s\n", when, settle.c_str());
}

json as_json(const Comparison& c) {
  const auto& interval = c.difference.interval;
  json by_seed = json::object();
  for (const auto& [seed, difference] : c.by_seed) by_seed[std::to_string(seed)] = difference;
  return {{"a", c.a},
          {"b", c.b},
          {"unit", c.unit_text()},
          {"difference", c.difference.value},
          {"interval", interval ? json{interval->low, interval->high} : json()},
          {"no_interval", c.difference.no_interval},
          {"p_value", number(c.p_value)},
          {"p_value_holm", number(c.p_holm)},
          {"comparisons", c.n_declared},
          {"equivalence_margin", number(c.equivalence_margin)},
          {"p_value_equivalent", number(c.p_equivalence)},
          {"p_value_equivalent_holm", number(c.p_equivalence_holm)},
          {"seeds", c.n_seeds},
          {"by_seed", by_seed},
          {is_accuracy(c) ? "rows" : "documents", c.n_documents},
          {is_accuracy(c) ? "effective_rows" : "effective_documents", c.difference.clusters},
          {"seed_error", interval ? json(c.seed_error) : json()},
          {"document_error", interval ? json(c.document_error) : json()},
          {"smallest_detectable", number(c.smallest_detectable)},
          {"smallest_detectable_holm", number(c.smallest_detectable_holm)},
          {"to_settle", c.to_settle()},
          {"to_settle_holm", c.to_settle_holm()},
          {"verdict", c.verdict()},
          {"target", c.target()},
          {"left_out", c.left_out},
          {"records", c.records}};
}

void print_text(const Comparison& c, const std::string& of_what) {
  std::printf("%s of %s minus %s of %s: %+.4f %s", of_what.c_str(), c.a.c_str(), of_what.c_str(),
              c.b.c_str(), c.difference.value, c.unit_text());
  if (c.difference.interval)
    std::printf(", 95 %% interval %s", interval_text(*c.difference.interval, 4).c_str());
  std::printf("\n%s%ld %s and %ld seed(s)%s\n",
              c.p_value ? ("p = " + significant(*c.p_value, 4) + " over ").c_str() : "",
              c.n_documents, is_accuracy(c) ? "rows" : "documents", c.n_seeds,
              c.p_value && c.n_seeds == 1 ? ", by sign-flip permutation" : "");
  for (const std::string& left_out : c.left_out) std::printf("without %s\n", left_out.c_str());
  for (const auto& [seed, difference] : c.by_seed)
    if (c.n_seeds > 1) std::printf("seed %ld: %+.4f\n", seed, difference);
  if (c.p_holm != c.p_value)
    std::printf(
        "p = %.4g after Holm's correction over the %ld comparisons that the study declares\n",
        *c.p_holm, c.n_declared);
  if (c.p_equivalence)
    std::printf("equivalent within %s: p = %.4g, %.4g after Holm's correction\n",
                significant(*c.equivalence_margin, 3).c_str(), *c.p_equivalence,
                *c.p_equivalence_holm);
  print_power("uncorrected", c.smallest_detectable, c.to_settle());
  if (c.n_declared > 1)
    print_power("after Holm's correction", c.smallest_detectable_holm, c.to_settle_holm());
  if (!c.difference.interval)
    std::printf("no interval and no p-value: %s\n", c.difference.no_interval.c_str());
  std::printf("verdict for %s: %s%s\n", c.target().c_str(), c.clear() ? (c.a + " is ").c_str() : "",
              c.verdict_text().c_str());
}

/// A comparison with what it is of: "loss", or "accuracy in recall, 64".
using Named = std::pair<std::string, Comparison>;

/// Of the pair in everything that both were asked; those that the study declares keep the
/// correction over all of them.
std::vector<Named> all_of(const StudyData& data, const std::string& a, const std::string& b,
                          std::string& reason) {
  std::vector<Named> out;
  const auto add = [&](const std::string& name, Comparison own,
                       const std::vector<Comparison>& declared) {
    if (!own.possible) {
      if (reason.empty()) reason = own.reason;
      return;
    }
    test_equivalence(data.plan.equivalence, own);
    for (const Comparison& each : declared)
      if (each.a == a && each.b == b) own = each;
    out.emplace_back(name, std::move(own));
  };
  const VariantData &of_a = data.variant(a), &of_b = data.variant(b);
  add("loss", compare_losses_in_any_unit(of_a, of_b), declared_comparisons(data));
  for (const AccuracyComparisons& task : accuracy_comparisons(data))
    for (size_t q = 0; q < task.asked.size(); ++q)
      add(task.asked[q].title("accuracy in " + task.task),
          compare_accuracies(of_a, of_b, task.asked[q].of), task.comparisons[q]);
  return out;
}

/// The object of the first; those after it stand in its "accuracies".
void print_json(const std::vector<Named>& all) {
  json out = as_json(all.front().second);
  out["of"] = all.front().first;
  json more = json::array();
  for (size_t i = 1; i < all.size(); ++i) {
    more.push_back(as_json(all[i].second));
    more.back()["of"] = all[i].first;
  }
  if (!more.empty()) out["accuracies"] = more;
  std::cout << out.dump(1) << "\n";
}

void compare(const std::string& folder, const std::string& a, const std::string& b, bool in_json) {
  const StudyData data = read_study_data(folder);
  if (a == b) throw UserError(folder, "'" + a + "' is compared with itself");
  std::string reason;
  const std::vector<Named> all = all_of(data, a, b, reason);
  if (all.empty()) throw UserError(folder, a + " and " + b + " cannot be compared: " + reason);
  if (in_json) return print_json(all);
  for (size_t i = 0; i < all.size(); ++i) {
    if (i > 0) std::printf("\n");
    print_text(all[i].second, all[i].first);
  }
}

}  // namespace

void add_compare_command(CLI::App& app, CommandContext&) {
  auto* command = app.add_subcommand("compare", "two variants of a study, paired by document");
  command->footer("Example: sublab compare results/quick subllm_0.64 llama");
  struct Arguments {
    std::string folder, a, b;
    bool as_json = false;
  };
  auto arguments = std::make_shared<Arguments>();
  command->add_option("DIR", arguments->folder, "study folder")->required();
  command->add_option("VARIANT_A", arguments->a, "variant")->required();
  command->add_option("VARIANT_B", arguments->b, "variant it is compared with")->required();
  command->add_flag("--json", arguments->as_json, "print JSON");
  command->callback(
      [arguments] { compare(arguments->folder, arguments->a, arguments->b, arguments->as_json); });
}

}  // namespace sublab

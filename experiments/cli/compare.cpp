// sublab compare: two variants of a study, paired.
#include "analysis/study/compare.h"

#include <cstdio>
#include <iostream>

#include "analysis/text/format.h"
#include "experiments/cli/command.h"

namespace sublab {
namespace {

json number(const std::optional<double>& value) { return value ? json(*value) : json(); }

void print_json(const Comparison& c) {
  const auto& interval = c.difference.interval;
  std::cout << json{{"a", c.a},
                    {"b", c.b},
                    {"unit", c.unit_text()},
                    {"difference", c.difference.value},
                    {"interval", interval ? json{interval->low, interval->high} : json()},
                    {"no_interval", c.difference.no_interval},
                    {"p_value", number(c.p_value)},
                    {"p_value_holm", number(c.p_holm)},
                    {"seeds", c.n_seeds},
                    {"documents", c.n_documents},
                    {"effective_documents", c.difference.clusters},
                    {"seed_error", interval ? json(c.seed_error) : json()},
                    {"document_error", interval ? json(c.document_error) : json()},
                    {"smallest_detectable", number(c.smallest_detectable)},
                    {"to_settle", c.to_settle()},
                    {"verdict", c.verdict()},
                    {"target", c.target()},
                    {"left_out", c.left_out},
                    {"records", c.records}}
                   .dump(1)
            << "\n";
}

void print_text(const Comparison& c) {
  std::printf("loss of %s minus loss of %s: %+.4f %s", c.a.c_str(), c.b.c_str(), c.difference.value,
              c.unit_text());
  if (c.difference.interval)
    std::printf(", 95 %% interval %s", interval_text(*c.difference.interval, 4).c_str());
  std::printf("\n%s%ld documents and %ld seed(s)%s\n",
              c.p_value ? ("p = " + significant(*c.p_value, 4) + " over ").c_str() : "",
              c.n_documents, c.n_seeds,
              c.p_value && c.n_seeds == 1 ? ", by sign-flip permutation" : "");
  for (const std::string& left_out : c.left_out) std::printf("without %s\n", left_out.c_str());
  if (c.p_holm != c.p_value)
    std::printf("p = %.4g after Holm's correction over the comparisons that the study declares\n",
                *c.p_holm);
  if (c.smallest_detectable)
    std::printf("smallest difference found 8 times in 10: %.4f\n", *c.smallest_detectable);
  if (const std::string settle = c.to_settle(); !settle.empty())
    std::printf("to settle a difference of this size: %s\n", settle.c_str());
  if (!c.difference.interval)
    std::printf("no interval and no p-value: %s\n", c.difference.no_interval.c_str());
  std::printf("verdict for %s: %s%s\n", c.target().c_str(), c.clear() ? (c.a + " is ").c_str() : "",
              c.verdict_text().c_str());
}

void compare(const std::string& folder, const std::string& a, const std::string& b, bool as_json) {
  const StudyData data = read_study_data(folder);
  if (a == b) throw UserError(folder, "'" + a + "' is compared with itself");
  Comparison comparison = compare_losses_in_any_unit(data.variant(a), data.variant(b));
  if (!comparison.possible)
    throw UserError(folder, a + " and " + b + " cannot be compared: " + comparison.reason);
  // A pair that the study declares keeps the correction over all of them.
  for (const Comparison& declared : declared_comparisons(data))
    if (declared.a == a && declared.b == b) comparison = declared;
  as_json ? print_json(comparison) : print_text(comparison);
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

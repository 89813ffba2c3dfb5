#include "analysis/compare.h"

#include <cstdio>
#include <iostream>

#include "experiments/cli/command.h"

namespace sublab {
namespace {

void compare(const std::string& folder, const std::string& a, const std::string& b, bool as_json) {
  const StudyData data = read_study_data(folder);
  const Comparison c = compare_losses(data.variant(a), data.variant(b));
  if (!c.possible) throw UserError(folder, a + " and " + b + " cannot be compared: " + c.reason);
  const bool clear = c.p_value < 0.05 && !c.difference.interval.contains(0);
  const std::string verdict = !clear ? "unclear" : c.difference.value < 0 ? "better" : "worse";
  const std::string target =
      c.n_seeds > 1 ? "the recipe, t over seeds" : "these checkpoints, bootstrap over documents";
  if (as_json) {
    std::cout << json{{"a", a},
                      {"b", b},
                      {"difference_nats", c.difference.value},
                      {"interval", {c.difference.interval.low, c.difference.interval.high}},
                      {"p_value", c.p_value},
                      {"seeds", c.n_seeds},
                      {"documents", c.n_documents},
                      {"reliable", c.difference.reliable},
                      {"smallest_detectable_nats", c.smallest_detectable},
                      {"verdict", verdict},
                      {"target", target}}
                     .dump(1)
              << "\n";
    return;
  }
  std::printf("loss of %s minus loss of %s: %+.4f nats per token, 95 %% interval [%+.4f, %+.4f]\n",
              a.c_str(), b.c_str(), c.difference.value, c.difference.interval.low,
              c.difference.interval.high);
  std::printf("p = %.4g over %ld documents and %ld seed(s); target: %s\n", c.p_value, c.n_documents,
              c.n_seeds, target.c_str());
  std::printf("smallest difference found 8 times in 10: %.4f nats\n", c.smallest_detectable);
  std::printf("verdict: %s is %s%s\n", a.c_str(), verdict.c_str(),
              c.difference.reliable || c.n_seeds > 1
                  ? ""
                  : " (unreliable: fewer than 20 effective documents)");
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

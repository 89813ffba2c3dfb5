#include <cstdio>
#include <iostream>

#include "data/tokenizer.h"
#include "experiments/cli/run.h"
#include "experiments/resolve.h"

namespace sublab {
namespace {

struct Shown {
  json config;
  double parameters = 0, train_flops = 0, train_flops_square = 0, train_memory = 0, activations = 0;
  Ledger ledger, decode;
};

Shown describe(const PlannedTrial& trial, const Catalog& catalog) {
  Shown out;
  out.config = trial.config;
  const int64_t context = trial.config.at("data").at("context_len");
  const auto& entry = catalog.architecture(trial.config.at("model").at("architecture"), "show");
  const auto model = entry.make(trial.config.at("model"),
                                planned_vocab_size(trial.config.at("data").at("tokenizer")),
                                Initial::shapes(), catalog.parts);
  for (const Parameter& parameter : model->parameters())
    out.parameters += static_cast<double>(parameter.tensor.numel());
  model->add_cost(CostShape::whole_rows(1, context), out.ledger);
  const bool recompute = trial.config.at("train").at("recompute");
  out.train_flops = out.ledger.training_flops_causal(recompute) / static_cast<double>(context);
  out.train_flops_square =
      out.ledger.training_flops_square(recompute) / static_cast<double>(context);
  out.activations = out.ledger.activation_bytes(recompute);
  model->add_cost(CostShape::decode(1, context), out.decode);
  // Weights, gradients and two moments.
  out.train_memory = out.parameters * 4 * 4;
  return out;
}

void print_ledger(const std::string& mode, const Ledger& ledger) {
  std::printf("\n%s\n%5s %5s  %-18s %10s %14s %14s %14s %14s\n", mode.c_str(), "level", "layer",
              "part", "tokens", "FLOPs causal", "FLOPs square", "bytes", "kept bytes");
  for (const LedgerLine& line : ledger.lines())
    std::printf("%5ld %5s  %-18s %10.4g %14.4g %14.4g %14.4g %14.4g\n", line.level,
                line.layer < 0 ? "-" : std::to_string(line.layer).c_str(), line.part.c_str(),
                line.tokens, line.flops_causal, line.flops_square, line.bytes,
                line.activation_bytes);
  std::printf("%5s %5s  %-18s %10s %14.4g %14.4g %14.4g\n", "", "", "sum", "",
              ledger.flops_causal(), ledger.flops_square(), ledger.bytes());
}

void print_one(const std::string& name, const Shown& shown, bool details) {
  std::printf("%-28s %12.0f %14.4g %14.4g %14.4g %12.1f %14.1f\n", name.c_str(), shown.parameters,
              shown.train_flops, shown.train_flops_square, shown.decode.bytes(),
              shown.train_memory / 1e6, shown.activations / 1e6);
  if (!details) return;
  std::printf("\n%s\n", shown.config.dump(1).c_str());
  const std::string context = shown.config.at("data").at("context_len").dump();
  const std::string passes = shown.config.at("train").at("recompute")
                                 ? "3 times this, and the blocks once more"
                                 : "3 times this";
  print_ledger("prefill of one row of " + context + " tokens (a training pass: " + passes + ")",
               shown.ledger);
  print_ledger("decode, one token " + context + " tokens deep", shown.decode);
}

void show(const std::string& file, const std::string& only,
          const std::vector<std::string>& assignments, bool as_json, const Catalog& catalog) {
  const Study study = read_study(file, assignments);
  std::map<std::string, double> rates;
  for (const Variant& variant : study.variants)
    if (!study.tune.key.empty()) rates[variant.name] = study.tune.values.front().get<double>();
  const Plan plan = resolve_study(study, catalog, rates);
  if (!only.empty() &&
      std::find(plan.variants.begin(), plan.variants.end(), only) == plan.variants.end())
    throw_unknown_name(file, "variant", only, plan.variants);
  json out = json::array();
  if (!as_json) {
    std::printf("%s: %s\n%zu variants, %zu seeds, %zu trials, compared to %s\n\n",
                plan.study.c_str(), plan.question.c_str(), plan.variants.size(), plan.seeds.size(),
                plan.trials.size(), plan.compare_to.c_str());
    std::printf("%-28s %12s %14s %14s %14s %12s %14s\n", "variant", "parameters", "FLOPs/token",
                "(full square)", "decode bytes", "state MB", "activations MB");
    std::printf("%-28s %12s %14s %14s %14s %12s %14s\n", "", "", "training", "training",
                "per token", "weights+Adam", "per row");
  }
  for (const PlannedTrial& trial : plan.trials) {
    if (!trial.probe.empty() || trial.seed != plan.seeds.front() ||
        (!only.empty() && trial.variant != only))
      continue;
    const Shown shown = describe(trial, catalog);
    if (as_json)
      out.push_back({{"variant", trial.variant},
                     {"config", shown.config},
                     {"n_params", shown.parameters},
                     {"train_flops_per_token", shown.train_flops},
                     {"decode_bytes_per_token", shown.decode.bytes()},
                     {"activation_bytes_per_row", shown.activations},
                     {"ledger", shown.ledger.to_json()},
                     {"decode_ledger", shown.decode.to_json()}});
    else
      print_one(trial.variant, shown, !only.empty());
  }
  if (as_json) std::cout << out.dump(1) << "\n";
}

}  // namespace

void add_show_command(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("show", "a study resolved: configuration, parameters, ledger");
  command->footer("Example: sublab show experiments/studies/quick.json --variant subllm_0.64");
  struct Arguments {
    std::string file, variant;
    std::vector<std::string> assignments;
    bool as_json = false;
  };
  auto arguments = std::make_shared<Arguments>();
  command
      ->add_option("STUDY", arguments->file,
                   "study file, or the name of one that comes with the program")
      ->required();
  command->add_option("--variant", arguments->variant,
                      "one variant in full, with its ledger per layer");
  command->add_option("--set", arguments->assignments, "change the base")->take_all();
  command->add_flag("--json", arguments->as_json, "print JSON");
  command->callback([&context, arguments] {
    show(study_file(arguments->file).string(), arguments->variant, arguments->assignments,
         arguments->as_json, context.catalog);
  });
}

}  // namespace sublab

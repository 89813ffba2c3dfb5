#include "experiments/audit.h"

#include <cstdio>
#include <iostream>
#include <set>

#include "experiments/checkpoint.h"
#include "experiments/cli/command.h"
#include "experiments/resolve.h"

namespace sublab {
namespace {

struct Subject {
  std::string name, expects;
  std::function<std::unique_ptr<LanguageModel>()> make;
};

/// A small model of every architecture, with each scorer where there are scorers.
std::vector<Subject> all_variants(const Catalog& catalog) {
  std::vector<Subject> subjects;
  const auto add = [&](const std::string& name, const ArchitectureEntry& entry, json given) {
    given.update({{"architecture", entry.name}, {"d_model", 32}, {"n_heads", 2}});
    const json resolved = entry.resolve(given, "/model", catalog.parts);
    subjects.push_back({name, entry.expects, [&entry, resolved, &catalog] {
                          return entry.make(resolved, 97, 1, catalog.parts);
                        }});
  };
  for (const ArchitectureEntry& entry : catalog.architectures) {
    const auto fields = entry.describe();
    const bool scored = std::any_of(fields.begin(), fields.end(),
                                    [](const FieldHelp& field) { return field.name == "scorer"; });
    if (!scored) add(entry.name, entry, json::object());
    for (const ScorerEntry& scorer : catalog.parts.scorers)
      if (scored && scorer.causal)
        add(entry.name + " / " + scorer.name, entry,
            {{"scorer", scorer.name}, {"scorer_init_std", scorer.weighs ? 0.5 : 0.0}});
  }
  return subjects;
}

std::vector<Subject> subjects_of(const std::string& what, bool all, const Catalog& catalog) {
  if (all) return all_variants(catalog);
  if (what.empty()) throw UserError("audit", "name a study, a checkpoint folder, or --all");
  const auto expects = [&catalog](const json& model) {
    return catalog.architecture(model.at("architecture"), "audit").expects;
  };
  std::vector<Subject> subjects;
  if (fs::is_directory(what)) {
    subjects.push_back({what, expects(load_checkpoint(what, catalog).info.model),
                        [what, &catalog] { return load_checkpoint(what, catalog).model; }});
    return subjects;
  }
  constexpr int64_t kVocab = 257;
  std::set<std::string> seen;
  for (const PlannedTrial& trial : resolve_study(read_study(what, {}), catalog, {}).trials) {
    if (!seen.insert(trial.variant).second) continue;
    const json model = trial.config.at("model");
    const auto& entry = catalog.architecture(model.at("architecture"), what);
    subjects.push_back({trial.variant, entry.expects, [&entry, model, &catalog] {
                          return entry.make(model, kVocab, 1, catalog.parts);
                        }});
  }
  return subjects;
}

void audit(const std::string& what, bool all, bool as_json, CommandContext& context) {
  json out = json::array();
  for (const Subject& subject : subjects_of(what, all, context.catalog)) {
    const AuditReport report = audit_model(subject.make, subject.expects, AuditSettings{});
    if (!report.as_expected()) context.exit_code = kCheckFailed;
    out.push_back({{"name", subject.name}, {"report", write_fields(report)}});
    if (as_json) continue;
    std::printf("%s %-28s %s\n", report.as_expected() ? "ok  " : "FAIL", subject.name.c_str(),
                report.verdict.c_str());
    for (const AuditCheck& check : report.checks)
      if (!check.passed || !all)
        std::printf(
            "       %-4s %-44s %-12s margin %.2g%s\n", check.passed ? "ok" : "FAIL",
            check.name.c_str(), check.weights.c_str(), check.margin,
            check.position ? (", first at token " + std::to_string(*check.position)).c_str() : "");
  }
  if (as_json) std::cout << out.dump(1) << "\n";
}

}  // namespace

void add_audit_command(CLI::App& app, CommandContext& context) {
  auto* command =
      app.add_subcommand("audit", "does a model look at later tokens, and do its modes agree?");
  command->footer(
      "Exit code 4 when a verdict is not what the catalog expects.\nExample: sublab audit --all");
  auto what = std::make_shared<std::string>();
  auto all = std::make_shared<bool>(false);
  auto as_json = std::make_shared<bool>(false);
  command->add_option("WHAT", *what, "study file or checkpoint folder");
  command->add_flag("--all", *all, "every registered variant, untrained and small");
  command->add_flag("--json", *as_json, "print JSON");
  command->callback([&context, what, all, as_json] { audit(*what, *all, *as_json, context); });
}

}  // namespace sublab

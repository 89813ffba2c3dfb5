// `sublab audit`: who is asked, and how the answers are printed.
#include "experiments/audit/audit.h"

#include <cstdio>
#include <iostream>
#include <set>

#include "core/schema/checkpoint_path.h"
#include "experiments/audit/audit_places.h"
#include "experiments/checkpoint/checkpoint.h"
#include "experiments/cli/device_option.h"
#include "experiments/cli/run.h"
#include "experiments/cli/threads_option.h"
#include "experiments/examples.h"
#include "experiments/plan/resolve_study.h"
#include "experiments/text/token_hints.h"

namespace sublab {
namespace {

struct Arguments {
  std::string what;
  bool all = false, as_json = false;
  std::vector<std::string> assignments;
  AuditSettings settings;
  at::Device device = at::kCPU;
};

struct Subject {
  std::string name;
  AuditSubject model;
};

/// The architecture of a resolved config; without a checkpoint, its initial weights are audited.
AuditSubject untrained(const ArchitectureEntry& entry, const json& resolved, int64_t vocab_size,
                       const Catalog& catalog, at::Device device) {
  const auto make = [&entry, resolved, &catalog, device](int64_t n) {
    return entry.make(resolved, n, {1, device}, catalog.parts);
  };
  AuditSubject out;
  out.make = [make, vocab_size, device] {
    auto model = make(vocab_size);
    // Scorers without a natural zero keep everything until their threshold is fitted.
    const auto rows = uniform_rows(vocab_size, 32, 1);
    std::vector<Batch> batches;
    for (int64_t i = 0; i < 16; ++i) {
      const TokenRow row = rows->row(i);
      batches.push_back(with_token_hints(
          {at::tensor(row.tokens, at::kLong).to(device), Rows::contiguous(row.lengths)}));
    }
    model->prepare(batches);
    model->calibrate(batches);
    return model;
  };
  out.expects = entry.expects;
  out.exact_cut = entry.exact_cut_of(resolved, catalog.parts);
  out.length_dependent_beyond = length_dependent_beyond(resolved, catalog.parts);
  out.make_untrained = make;
  out.borders = borders_of(resolved);
  return out;
}

/// The small models that the catalog's entries give as examples.
std::vector<Subject> all_variants(const Catalog& catalog, at::Device device) {
  constexpr int64_t kVocab = 97;
  std::vector<Subject> subjects;
  for (const ModelCase& each : model_cases(catalog))
    subjects.push_back({each.name, untrained(*each.entry, each.config, kVocab, catalog, device)});
  return subjects;
}

Subject checkpoint_subject(Arguments& arguments, const Catalog& catalog) {
  json given = json::object();
  for (const std::string& assignment : arguments.assignments) set_by_assignment(given, assignment);
  fields_detail::check_keys(given, "--set", {"model"});
  const fs::path folder = find_checkpoint(arguments.what);
  const json changes = given.value("model", json::object());
  const Checkpoint checkpoint = load_checkpoint(folder, catalog, changes, arguments.device);
  const auto& entry = catalog.architecture(checkpoint.info.model.at("architecture"), "audit");
  Subject subject{arguments.what, untrained(entry, checkpoint.info.model,
                                            checkpoint.info.vocab_size, catalog, arguments.device)};
  subject.model.make = [folder, &catalog, changes, device = arguments.device] {
    return load_checkpoint(folder, catalog, changes, device).model;
  };
  subject.model.context_len = checkpoint.info.context_len;
  arguments.settings.untrained = true;
  return subject;
}

std::vector<Subject> subjects_of(Arguments& arguments, const Catalog& catalog) {
  if (arguments.all && (!arguments.what.empty() || !arguments.assignments.empty()))
    throw UserError("audit", "--all audits every variant as it is; it takes no WHAT and no --set");
  if (arguments.all) return all_variants(catalog, arguments.device);
  if (arguments.what.empty()) throw UserError("audit", "name a study file, a checkpoint, or --all");
  if (fs::is_directory(arguments.what) || names_variant(arguments.what))
    return {checkpoint_subject(arguments, catalog)};
  constexpr int64_t kVocab = 257;
  std::vector<Subject> subjects;
  std::set<std::string> seen;
  const Study study = read_study(study_file(arguments.what), arguments.assignments);
  for (const ResolvedTrial& trial : resolve_study(study, catalog).trials) {
    if (!seen.insert(trial.variant).second) continue;
    const json& model = trial.config.model;
    const auto& entry = catalog.architecture(model.at("architecture"), arguments.what);
    subjects.push_back({trial.variant, untrained(entry, model, kVocab, catalog, arguments.device)});
    subjects.back().model.context_len = trial.config.data.context_len;
  }
  return subjects;
}

void print_check(const AuditCheck& check) {
  std::printf("       %-4s %-40s %-16s margin %.2g", check.passed ? "ok" : "FAIL",
              check.name.c_str(), check.weights.c_str(), check.margin);
  if (check.position) std::printf(", first at token %lld", static_cast<long long>(*check.position));
  if (check.ties > 0) std::printf(", %lld ties", static_cast<long long>(check.ties));
  std::printf("%s%s\n", check.note.empty() ? "" : "; ", check.note.c_str());
}

void audit(Arguments& arguments, CommandContext& context) {
  json out = json::array();
  for (const Subject& subject : subjects_of(arguments, context.catalog)) {
    const AuditReport report = audit_model(subject.model, arguments.settings);
    if (!report.as_expected()) context.exit_code = kCheckFailed;
    out.push_back({{"name", subject.name}, {"report", write_fields(report)}});
    if (arguments.as_json) continue;
    std::printf("%s %-28s %s (rows of up to %lld tokens)\n", report.as_expected() ? "ok  " : "FAIL",
                subject.name.c_str(), report.verdict.c_str(),
                static_cast<long long>(report.longest_row));
    for (const AuditCheck& check : report.checks)
      if (!check.passed || !arguments.all) print_check(check);
    std::fflush(stdout);
  }
  if (arguments.as_json) std::cout << out.dump(1) << "\n";
}

}  // namespace

void add_audit_command(CLI::App& app, CommandContext& context) {
  auto* command =
      app.add_subcommand("audit", "does a model look at later tokens, and do its modes agree?");
  command->footer(
      "Exit code 4 when a verdict is not what the catalog expects.\n"
      "Example: sublab audit ckpt --set model.evaluate_selector=top_k");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("WHAT", arguments->what,
                      "study (file or name), checkpoint folder, or STUDY_DIR:VARIANT[@SEED]");
  command->add_flag("--all", arguments->all, "every registered variant, untrained and small");
  command
      ->add_option("--set", arguments->assignments,
                   "change the study or the checkpoint's model, for example "
                   "model.evaluate_selector.threshold=0.1")
      ->take_all();
  command
      ->add_option("--canary-steps", arguments->settings.canary_steps,
                   "training steps of the canary at most; 0 = no canary")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  add_threads_option(*command);
  add_device_option(*command, arguments->device);
  command->add_flag("--json", arguments->as_json, "print JSON");
  command->callback([&context, arguments] { audit(*arguments, context); });
}

}  // namespace sublab

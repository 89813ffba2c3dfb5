// `sublab run`, and what `quick` and `bench` share with it.
#include "experiments/cli/run.h"

#include <algorithm>
#include <iostream>
#include <set>
#include <sstream>

#include "analysis/build_report.h"
#include "analysis/print/print.h"
#include "analysis/report/report.h"
#include "core/hints.h"
#include "core/progress.h"
#include "data/corpus.h"
#include "data/prepare_source.h"
#include "data/sources/sources.h"
#include "experiments/cli/device_option.h"
#include "experiments/machine/calibrate.h"
#include "experiments/machine/device.h"
#include "experiments/machine/environment.h"
#include "experiments/plan/cost_estimate.h"
#include "experiments/plan/make_plan.h"
#include "experiments/plan/resolve_study.h"
#include "experiments/run/study_folder.h"
#include "experiments/text/content.h"
#include "experiments/text/text_data.h"

namespace sublab {

void prepare_corpora(ResolvedStudy& resolved, const Catalog& catalog) {
  bool prepared = false;
  for (const std::string& name : corpora_of(resolved)) {
    bool built_in = false;
    for (const Source& source : text_sources()) {
      if (source.name != name) continue;
      built_in = true;
      if (is_prepared(name)) continue;
      std::cerr << "preparing corpus " << name << "\n";
      prepare_source(source);
      prepared = true;
    }
    if (!built_in) read_manifest(name);
  }
  if (prepared) resolved = resolve_study(resolved.study, catalog);
}

namespace {

void parse_shard(const std::string& text, RunOptions& options) {
  int64_t i = 0, n = 0;
  char slash = 0;
  std::istringstream in(text);
  if (!(in >> i >> slash >> n) || slash != '/' || n < 1 || i < 1 || i > n || !in.eof())
    throw UserError("--shard " + text, "expected I/N with 1 <= I <= N, for example 2/4");
  options.shard = i;
  options.n_shards = n;
}

/// For a study that came through a pipe: the results folder keeps what it said.
std::string command_to_go_on(const RunOptions& options, const RunArguments& arguments) {
  std::string command = rerun_command(options.out);
  if (options.only != "*") command += " --only " + shell_word(options.only);
  if (options.jobs != 1) command += " --jobs " + std::to_string(options.jobs);
  if (options.by_seed) command += " --by-seed";
  for (const fs::path& lender : options.lenders)
    command += " --trained-in " + shell_word(lender.string());
  if (options.n_shards != 1) command += " --shard " + arguments.shard;
  return command + (arguments.as_json ? " --json" : "");
}

/// Ids stand for content, which is not known of a corpus that this machine has not prepared.
void note_unprepared(const ResolvedStudy& resolved) {
  std::vector<std::string> names;
  for (const std::string& name : corpora_of(resolved))
    if (!is_prepared(name)) names.push_back(name);
  if (names.empty()) return;
  std::cerr << "not prepared yet: " << join(names) << "; trials on them will have other ids\n";
}

/// Sampling that its documents do not allow shows before anything is done: rows are made once of
/// everything that samples.
void check_sampling(const ResolvedStudy& resolved, const Catalog& catalog) {
  std::set<std::string> seen;
  for (const ResolvedTrial& trial : resolved.trials) {
    const DataConfig& data = trial.config.data;
    if (!data.on_text() || chosen_type(data.sampling) == "plain" ||
        !seen.insert(write_fields(data).dump()).second)
      continue;
    try {
      TextData(data, catalog.data).rows(resolved.study.seeds.front());
    } catch (const UserError& error) {
      const std::string what = error.what();
      if (!what.starts_with("/data")) throw;
      throw UserError(trial.at + what);
    }
  }
}

/// A study that will take a day or more says so before it starts.
void warn_when_long(const ResolvedStudy& resolved, const fs::path& folder, const Catalog& catalog) {
  constexpr double kDay = 86400, kSlowestRate = 1e10;
  // Most studies are small, and their records need not be read for this.
  if (all_training_flops(resolved, catalog) < kDay * kSlowestRate) return;
  const Plan plan =
      make_plan(resolved, threads_of(resolved.study), first_rates(resolved.study), catalog);
  const auto is_done = [&](const PlannedTrial& trial) {
    return trial_state(folder, trial) == "done";
  };
  if (plan.trials.empty()) return;
  TrialConfig first;
  read_fields(plan.trials.front().config, "plan", first);
  const auto rate = training_rate(first.train);
  if (!rate) return;
  const double seconds = training_seconds(missing_training_flops(plan, catalog, is_done), *rate);
  if (seconds < kDay) return;
  std::cerr << "sublab: training what is missing takes about " << duration_text(seconds)
            << " on this machine, trial after trial (" << command_name() << " show says more)\n";
}

}  // namespace

void check_devices(const ResolvedStudy& resolved) {
  for (const ResolvedTrial& trial : resolved.trials)
    find_device(trial.config.train.device, resolved.study.file + ": /train/device");
}

fs::path study_file(const std::string& given) {
  const bool is_file = fs::exists(given) && !fs::is_directory(given);
  if (is_file || given.find('/') != std::string::npos || given.ends_with(".json")) return given;
  const fs::path folder = shipped_folder("studies");
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".json") names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  if (std::find(names.begin(), names.end(), given) == names.end())
    throw_unknown_name(given + ": is no file; as a study that comes with the program", "name",
                       given, names);
  return folder / (given + ".json");
}

void add_study_threads_option(CLI::App& command, RunArguments& arguments) {
  command
      .add_option("--threads", arguments.threads,
                  "threads of each trial, part of its identity; default: those of the plan, else "
                  "$OMP_NUM_THREADS, else the cores")
      ->check(CLI::Range(int64_t{1}, kMostThreads));
}

int run_study_command(const fs::path& file, RunArguments arguments, const CommandContext& context) {
  const Study study = read_study(file, arguments.assignments, arguments.threads);
  RunOptions& options = arguments.options;
  if (options.out.empty()) options.out = fs::path("results") / study.name;
  parse_shard(arguments.shard, options);
  options.quiet = arguments.as_json;
  const Catalog& catalog = context.catalog;
  // Every mistake in the study shows before anything is done.
  ResolvedStudy resolved = resolve_study(study, catalog);
  if (!options.dry_run) check_devices(resolved);
  if (!options.dry_run) prepare_corpora(resolved, catalog);
  if (!options.dry_run) check_sampling(resolved, catalog);
  warn_when_long(resolved, options.out, catalog);
  const RunSummary summary = run_study(resolved, options, catalog);
  if (summary.interrupted) {
    std::cerr << "interrupted; finished trials are kept. Go on with: cd "
              << shell_word(fs::current_path().string()) << " && "
              << (fs::is_regular_file(file) ? context.command_line
                                            : command_to_go_on(options, arguments))
              << "\n";
    return kInterrupted;
  }
  if (summary.matched == 0) {
    std::cerr << "sublab: nothing matched --only '" << options.only << "'\n";
    return kNothingMatched;
  }
  if (options.dry_run) {
    note_unprepared(resolved);
    return kDone;
  }
  std::cerr << summary.done << " trials run, " << summary.skipped << " done before, "
            << summary.failed << " failed\n";
  for (const std::string& variant : summary.without_rate)
    std::cerr << "sublab: " << variant
              << ": no tuning trial ended with a loss, so there is no learning rate for its main "
                 "trials; they were not run\n";
  const Report report = build_report(options.out);
  for (const std::string& format : report_formats())  // those that were made before are made anew
    if (const fs::path path = options.out / ("report." + format);
        format == "md" || fs::exists(path))
      write_file_durably(path, report_as(format, report));
  std::cout << (arguments.as_json ? report_as_json(report) : report_as_markdown(report));
  return summary.failed || !summary.without_rate.empty() ? kTrialsFailed : kDone;
}

void add_replan_option(CLI::App& command, RunArguments& arguments) {
  command.add_flag("--replan", arguments.options.replan,
                   "where --out holds a plan that would lose trials, keep it as plan.N.json and "
                   "go on by the new one");
}

void add_run_options(CLI::App& command, RunArguments& arguments) {
  command.add_option("--out", arguments.options.out, "results folder; default results/<study>");
  command
      .add_option("--set", arguments.assignments,
                  "change the base, for example train.tokens=100000")
      ->take_all();
  command.add_option("--only", arguments.options.only, "variants that match this glob");
  command.add_option("--jobs", arguments.options.jobs, "trials at once")
      ->check(CLI::Range(1, 1024));
  command.add_flag(
      "--by-seed", arguments.options.by_seed,
      "every variant of a seed before the next seed, so that an interrupt leaves whole "
      "comparisons");
  command
      .add_option("--trained-in", arguments.options.lenders,
                  "results folder of another study: what it trained alike (the same train_id) is "
                  "copied from there, not trained again; may be given several times")
      ->take_all();
  add_study_threads_option(command, arguments);
  add_study_device_option(command, arguments.assignments);
  add_replan_option(command, arguments);
  command.add_option("--shard", arguments.shard, "do the I-th of N parts: I/N");
  command.add_flag("--dry-run", arguments.options.dry_run, "list the trials and stop");
  command.add_flag("--json", arguments.as_json, "print the report as JSON, no progress");
}

void add_run_command(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("run", "run a study; run again, it does only what is missing");
  command->footer(
      "A trial is done when its record says ok; failed ones are tried again.\n"
      "Example: sublab run experiments/studies/quick.json --out results/mine --set "
      "train.tokens=100000");
  auto file = std::make_shared<std::string>();
  auto arguments = std::make_shared<RunArguments>();
  command->add_option("STUDY", *file, "study file, or the name of one that comes with the program")
      ->required();
  add_run_options(*command, *arguments);
  command->callback([&context, file, arguments] {
    context.exit_code = run_study_command(study_file(*file), *arguments, context);
  });
}

}  // namespace sublab

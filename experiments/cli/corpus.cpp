// sublab corpus: list, prepare and import text.
#include "data/corpus.h"

#include <cstdio>
#include <iostream>
#include <set>

#include "data/prepare_source.h"
#include "data/sources/sources.h"
#include "experiments/cli/run.h"
#include "experiments/plan/resolve_study.h"
#include "experiments/text/text_data.h"

namespace sublab {
namespace {

void list(bool as_json) {
  std::vector<std::string> names = prepared_corpora();
  for (const Source& source : text_sources())
    if (std::find(names.begin(), names.end(), source.name) == names.end())
      names.push_back(source.name);
  json out = json::array();
  if (!as_json)
    std::printf("%-14s %-9s %10s %10s %8s  %s\n", "corpus", "state", "documents", "MB", "median B",
                "what it is");
  for (const std::string& name : names) {
    std::string summary = "imported";
    for (const Source& source : text_sources())
      if (source.name == name)
        summary = source.summary + " (" + source.package + ", " + source.licence + ")";
    const bool ready = fs::exists(corpus_folder(name) / "manifest.json");
    const CorpusManifest manifest = ready ? read_manifest(name) : CorpusManifest{};
    const int64_t documents =
        manifest.train.documents + manifest.validation.documents + manifest.test.documents;
    const double bytes =
        static_cast<double>(manifest.train.bytes + manifest.validation.bytes + manifest.test.bytes);
    if (as_json)
      out.push_back({{"name", name},
                     {"prepared", ready},
                     {"summary", summary},
                     {"manifest", ready ? write_fields(manifest) : json()}});
    else if (ready)
      std::printf("%-14s %-9s %10ld %10.1f %8ld  %s\n", name.c_str(), "prepared", documents,
                  bytes / 1e6, manifest.train.median_document_bytes, summary.c_str());
    else
      std::printf("%-14s %-9s %10s %10s %8s  %s\n", name.c_str(), "-", "", "", "", summary.c_str());
  }
  if (as_json) std::cout << out.dump(1) << "\n";
}

void prepare(std::vector<std::string> names) {
  std::vector<std::string> known;
  for (const Source& source : text_sources()) known.push_back(source.name);
  for (const std::string& name : names)
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw_unknown_name("corpus prepare", "source", name, known);
  for (const Source& source : text_sources()) {
    if (!names.empty() && std::find(names.begin(), names.end(), source.name) == names.end())
      continue;
    std::cerr << "preparing " << source.name << "\n";
    prepare_source(source);
  }
}

/// What stands in the way of a whole folder may be left out.
ImportedCorpus import_or_hint(const std::string& path, const std::string& name,
                              const TextFileRules& rules) {
  try {
    return import_corpus(path, name, rules);
  } catch (const UserError& error) {
    const std::string what = error.what();
    const bool inside = what.starts_with(path + "/") && !rules.skip_unreadable;
    throw UserError(what + (inside ? "; --skip-unreadable leaves such files out whole" : ""));
  }
}

struct ImportArguments {
  std::string path, name;
  TextFileRules rules;
};

void import_text(const ImportArguments& arguments, bool as_json) {
  const fs::path old = corpus_folder(arguments.name) / "manifest.json";
  const auto before = fs::exists(old) ? std::optional(read_manifest(arguments.name)) : std::nullopt;
  const ImportedCorpus imported = import_or_hint(arguments.path, arguments.name, arguments.rules);
  const CorpusManifest& manifest = imported.manifest;
  const auto differs = [&](Split split) {
    return before->of(split).sha256 != manifest.of(split).sha256;
  };
  if (before && std::any_of(std::begin(kSplits), std::end(kSplits), differs))
    std::cerr << arguments.name << " takes the place of other text of that name ("
              << before->train.documents << " train, " << before->validation.documents
              << " validation, " << before->test.documents
              << " test documents); studies that were run on that text will say so\n";
  std::string empty;
  for (const Split split : kSplits)
    if (manifest.of(split).documents == 0)
      empty += (empty.empty() ? "" : " and ") + std::string(split_name(split));
  if (as_json) {
    json out = write_fields(manifest);
    out["left_out"] = imported.read.left_out;
    std::cout << out.dump(1, ' ', false, json::error_handler_t::replace) << "\n";
  } else {
    std::printf("%s: %ld train, %ld validation, %ld test documents, %ld duplicates dropped\n",
                arguments.name.c_str(), manifest.train.documents, manifest.validation.documents,
                manifest.test.documents, manifest.duplicates_dropped);
  }
  for (const std::string& line : imported.read.left_out) std::cerr << "left out: " << line << "\n";
  if (!empty.empty())
    std::cerr << "no document fell into " << empty
              << " (90, 5 and 5 of 100 do, by a hash of their text); what needs one is refused: "
                 "import more, or shorter, documents\n";
}

void add_import(CLI::App& command, const std::shared_ptr<bool>& as_json) {
  auto* import_command = command.add_subcommand("import", "make a corpus of your own text");
  import_command->footer(
      "A folder is read with all below it, links followed. A file of text is one document. Of "
      ".jsonl and .ndjson\neach line is one, of .json each element of the list: a string, or the "
      "string under \"text\". .gz is unpacked.\n"
      "Example: sublab corpus import ~/notes my_notes");
  auto arguments = std::make_shared<ImportArguments>();
  import_command->add_option("PATH", arguments->path, "folder or file")->required();
  import_command->add_option("NAME", arguments->name, "what to call it: a-z, 0-9, _ and -")
      ->required();
  import_command->add_option("--field", arguments->rules.field,
                             "key of the text in JSON objects; default text");
  import_command->add_flag("--skip-unreadable", arguments->rules.skip_unreadable,
                           "leave out files that are no text, or cannot be read, and name them");
  import_command->add_flag("--json", *as_json, "print JSON");
  import_command->callback([as_json, arguments] { import_text(*arguments, *as_json); });
}

/// Makes what a study reads, each text once, and counts it.
void make_tokens(const std::string& given, const std::vector<std::string>& assignments,
                 bool as_json, const Catalog& catalog) {
  ResolvedStudy resolved = resolve_study(read_study(study_file(given), assignments), catalog);
  prepare_corpora(resolved, catalog);
  std::set<std::string> seen;
  json out = json::array();
  for (const ResolvedTrial& trial : resolved.trials) {
    const DataConfig& config = trial.config.data;
    if (!config.on_text() || !seen.insert(write_fields(config).dump()).second) continue;
    const TextData text(config, catalog.data);
    json line = {{"tokenizer", config.tokenizer},
                 {"vocab_size", text.tokenizer().vocab_size()},
                 {"corpus", config.corpus}};
    for (const Split split : kSplits) line[split_name(split)] = text.split(split).n_tokens();
    if (!as_json)
      std::printf("%s, %ld ids: %ld tokens of train, %ld of validation, %ld of test (%s)\n",
                  config.tokenizer.c_str(), text.tokenizer().vocab_size(),
                  text.split(Split::train).n_tokens(), text.split(Split::validation).n_tokens(),
                  text.split(Split::test).n_tokens(), join(config.corpus).c_str());
    out.push_back(std::move(line));
  }
  if (as_json) std::cout << out.dump(1) << "\n";
}

void add_tokens(CLI::App& command, const std::shared_ptr<bool>& as_json,
                const CommandContext& context) {
  auto* tokens_command = command.add_subcommand(
      "tokens", "make the tokenizers and token shards that a study reads, and count them");
  tokens_command->footer("Example: sublab corpus tokens quick");
  auto study = std::make_shared<std::string>();
  auto assignments = std::make_shared<std::vector<std::string>>();
  tokens_command
      ->add_option("STUDY", *study, "study file, or the name of one that comes with the program")
      ->required();
  tokens_command->add_option("--set", *assignments, "change the base")->take_all();
  tokens_command->add_flag("--json", *as_json, "print JSON");
  tokens_command->callback([as_json, study, assignments, &context] {
    make_tokens(*study, *assignments, *as_json, context.catalog);
  });
}

}  // namespace

void add_corpus_command(CLI::App& app, CommandContext& context) {
  auto* command =
      app.add_subcommand("corpus", "text to train and evaluate on: list, prepare, import");
  command->footer("Example: sublab corpus import ~/notes my_notes");
  command->require_subcommand(1);
  auto as_json = std::make_shared<bool>(false);
  auto names = std::make_shared<std::vector<std::string>>();
  auto* list_command = command->add_subcommand("list", "every source, and what is prepared");
  list_command->add_flag("--json", *as_json, "print JSON");
  list_command->callback([as_json] { list(*as_json); });
  auto* prepare_command = command->add_subcommand(
      "prepare", "download, clean and split sources; all when none is named");
  prepare_command->add_option("NAME", *names, "sources");
  prepare_command->add_flag("--json", *as_json, "print JSON");
  prepare_command->callback([as_json, names] {
    prepare(*names);
    if (*as_json) list(true);
  });
  add_import(*command, as_json);
  add_tokens(*command, as_json, context);
}

}  // namespace sublab

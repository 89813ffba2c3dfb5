#include <cstdio>
#include <iostream>

#include "experiments/checkpoint.h"
#include "experiments/cli/command.h"

namespace sublab {
namespace {

struct Arguments {
  std::string from, to;
  bool as_json = false;
};

/// Reads a checkpoint of either program and writes it in this one's form, which for a llama is
/// transformers' form as well.
void convert(const Arguments& arguments, bool to_transformers, const Catalog& catalog) {
  if (fs::exists(arguments.to)) throw UserError(arguments.to, "exists already; name a new folder");
  Checkpoint checkpoint = load_checkpoint(arguments.from, catalog);
  const std::string architecture = checkpoint.info.model.at("architecture");
  if (to_transformers && architecture != "llama")
    throw UserError(arguments.from,
                    "transformers has no '" + architecture + "'; only llama can be exported");
  save_checkpoint(arguments.to, *checkpoint.model, checkpoint.info, checkpoint.tokenizer.get());
  if (arguments.as_json)
    std::cout << json{{"out", arguments.to}, {"architecture", architecture}}.dump() << "\n";
  else
    std::printf("%s checkpoint in %s\n", architecture.c_str(), arguments.to.c_str());
}

void add_convert(CLI::App& app, CommandContext& context, const std::string& name,
                 const std::string& help, const std::string& example, bool to_transformers) {
  auto* command = app.add_subcommand(name, help);
  command->footer("Example: " + example);
  auto arguments = std::make_shared<Arguments>();
  command->add_option("FROM", arguments->from, "folder to read")->required();
  command->add_option("TO", arguments->to, "folder to make")->required();
  command->add_flag("--json", arguments->as_json, "print JSON");
  command->callback([&context, arguments, to_transformers] {
    convert(*arguments, to_transformers, context.catalog);
  });
}

}  // namespace

void add_import_command(CLI::App& app, CommandContext& context) {
  add_convert(app, context, "import",
              "a transformers folder into a checkpoint of this program (fp32)",
              "sublab import hf_folder ckpt", false);
}

void add_export_command(CLI::App& app, CommandContext& context) {
  add_convert(app, context, "export", "a llama checkpoint as a transformers folder",
              "sublab export ckpt hf_folder", true);
}

}  // namespace sublab

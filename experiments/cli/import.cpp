// sublab import and export: checkpoints of transformers and ours.
#include <cstdio>
#include <iostream>

#include "core/schema/checkpoint_path.h"
#include "experiments/checkpoint/checkpoint.h"
#include "experiments/cli/command.h"

namespace sublab {
namespace {

struct Arguments {
  std::string from, to;
  std::string layout = "transformers";
  bool as_json = false;
};

/// Reads a checkpoint of any form and writes it in `layout`.
void convert(const Arguments& arguments, Layout layout, bool only_llama, const Catalog& catalog) {
  if (fs::exists(arguments.to)) throw UserError(arguments.to, "exists already; name a new folder");
  const fs::path from = find_checkpoint(arguments.from);
  const Checkpoint checkpoint = load_checkpoint(from, catalog);
  const std::string architecture = checkpoint.info.model.at("architecture");
  if (only_llama && architecture != "llama")
    throw UserError(arguments.from, "transformers has no '" + architecture +
                                        "'; only llama can be exported there, subllm with "
                                        "--layout subllm");
  json left_out = json::array();
  convert_checkpoint(checkpoint, from, arguments.to, layout,
                     [&](const std::string& name) { left_out.push_back(name); });
  if (arguments.as_json)
    std::cout << json{{"out", arguments.to}, {"architecture", architecture}, {"left_out", left_out}}
              << "\n";
  else
    std::printf("%s checkpoint in %s\n", architecture.c_str(), arguments.to.c_str());
  for (const json& name : left_out) std::cerr << "left out: " << name.get<std::string>() << "\n";
}

std::shared_ptr<Arguments> add_folders(CLI::App& command) {
  auto arguments = std::make_shared<Arguments>();
  command
      .add_option("FROM", arguments->from,
                  "folder to read, of any form, or STUDY_DIR:VARIANT[@SEED] of a study")
      ->required();
  command.add_option("TO", arguments->to, "folder to make")->required();
  command.add_flag("--json", arguments->as_json, "print JSON");
  return arguments;
}

}  // namespace

void add_import_command(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand(
      "import",
      "a folder of transformers or of the SUBLLM layout into a checkpoint of this program");
  command->footer("Example: sublab import hf_folder ckpt");
  const auto arguments = add_folders(*command);
  command->callback(
      [&context, arguments] { convert(*arguments, Layout::own, false, context.catalog); });
}

void add_export_command(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("export", "a checkpoint as a folder for other programs");
  command->footer("Example: sublab export ckpt folder --layout subllm");
  const auto arguments = add_folders(*command);
  command
      ->add_option("--layout", arguments->layout,
                   "transformers (llama) or subllm (llama and subllm; that of its published code)")
      ->check(CLI::IsMember({"transformers", "subllm"}))
      ->capture_default_str();
  command->callback([&context, arguments] {
    const bool subllm = arguments->layout == "subllm";
    convert(*arguments, subllm ? Layout::subllm : Layout::own, !subllm, context.catalog);
  });
}

}  // namespace sublab

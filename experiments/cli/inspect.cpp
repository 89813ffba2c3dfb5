// sublab inspect: which tokens of a text a checkpoint lets in.
#include "experiments/inspect/inspect.h"

#include <iostream>

#include "analysis/text/format.h"
#include "data/text/text_files.h"
#include "experiments/cli/checkpoint_arguments.h"
#include "experiments/cli/device_option.h"
#include "experiments/cli/threads_option.h"

namespace sublab {
namespace {

struct Arguments : CheckpointArguments {
  std::string other, text, out;
  int64_t max_tokens = 20000;
};

void inspect(const Arguments& arguments, CommandContext& context) {
  if (text_kind(arguments.text) != TextKind::plain)
    throw UserError(arguments.text,
                    "is named as JSON; inspect shows one text, from a file of text");
  const std::string text = read_text_file(arguments.text);
  std::vector<CheckpointWithTokenizer> opened;
  opened.push_back(arguments.open_with_tokenizer(context.catalog));
  std::vector<NamedCheckpoint> checkpoints = {{shown_path(arguments.checkpoint), nullptr, ""}};
  if (!arguments.other.empty()) {
    CheckpointArguments second = arguments;
    second.checkpoint = arguments.other;
    opened.push_back(second.open_with_tokenizer(context.catalog));
    checkpoints.push_back({shown_path(arguments.other), nullptr, ""});
  }
  bool any_other = false;
  for (size_t i = 0; i < opened.size(); ++i) {
    checkpoints[i].checkpoint = &opened[i];
    const bool is_other = opened[i].belongs != TokenizerMatch::same;
    any_other = any_other || is_other;
    if (is_other) checkpoints[i].tokenizer_note = opened[i].tokenizer_text();
  }
  arguments.check_other_tokenizer(any_other);
  const Inspection inspection = inspect_text(checkpoints, shown_path(arguments.text), text,
                                             arguments.max_tokens, context.catalog.parts);
  if (inspection.cut_short)
    std::cerr << "shows the first " << inspection.shown_bytes << " of " << inspection.text_bytes
              << " bytes (--max-tokens)\n";
  std::string out = arguments.out;
  if (out.empty() && !arguments.as_json) out = "inspect.html";
  if (!out.empty()) {
    write_file_durably(out, inspection_as_html(inspection));
    std::cerr << "wrote " << out << "\n";
  }
  if (arguments.as_json) std::cout << inspection_as_json(inspection);
}

}  // namespace

void add_inspect_command(CLI::App& app, CommandContext& context) {
  auto* command =
      app.add_subcommand("inspect", "a page that shows a text token by token: depth, scores, loss");
  command->footer(
      "The file is one document; windows of the model's context length are read each from its "
      "start.\nTwo checkpoints stand side by side.\n"
      "Example: sublab inspect results/quick:subllm_0.64 other_ckpt --text book.txt --out "
      "inspect.html");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("CKPT", arguments->checkpoint, kCheckpointHelp)->required();
  command->add_option("CKPT2", arguments->other, "a second one to compare with, named alike");
  command->add_option("--text", arguments->text, "UTF-8 file")->required();
  command->add_option("--out", arguments->out,
                      "page to write; inspect.html when left out (no page with --json)");
  command
      ->add_option("--max-tokens", arguments->max_tokens,
                   "show at most this many tokens of the text; default 20000")
      ->check(CLI::Range(1, 1 << 24));
  arguments->add_tokenizer_option(*command);
  add_threads_option(*command);
  add_device_option(*command, arguments->device);
  command->add_flag("--json", arguments->as_json, "print every number as JSON");
  command->callback([&context, arguments] { inspect(*arguments, context); });
}

}  // namespace sublab

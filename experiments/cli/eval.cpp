#include <cmath>
#include <cstdio>
#include <iostream>
#include <numbers>

#include "data/documents.h"
#include "experiments/checkpoint.h"
#include "experiments/cli/command.h"
#include "experiments/tasks/perplexity.h"

namespace sublab {
namespace {

struct Arguments {
  std::string checkpoint, text, tokenizer;
  PerplexityConfig windows;
  std::vector<std::string> assignments;
  bool as_json = false;
};

std::string read_text(const std::string& path) {
  std::string text = read_file(path);
  if (text.empty()) throw UserError(path, "is empty");
  if (text.find('\0') != std::string::npos)
    throw UserError(path, "is a binary file (it has NUL bytes); expected UTF-8 text");
  const size_t bad = invalid_utf8(text);
  if (bad != std::string::npos)
    throw UserError(path, "is not UTF-8 at byte " + std::to_string(bad));
  return text;
}

void evaluate(Arguments& arguments, CommandContext& context) {
  json changes = json::object();
  for (const std::string& assignment : arguments.assignments)
    set_by_assignment(changes, assignment);
  Checkpoint checkpoint = load_checkpoint(arguments.checkpoint, context.catalog,
                                          changes.value("model", json::object()));
  if (!arguments.tokenizer.empty())
    checkpoint.tokenizer = make_tokenizer(arguments.tokenizer, {}, 0, "--tokenizer");
  if (!checkpoint.tokenizer)
    throw UserError(arguments.checkpoint,
                    "holds no tokenizer.model; name one with --tokenizer bytes or PATH.model");
  if (checkpoint.tokenizer->vocab_size() > checkpoint.info.vocab_size)
    throw UserError("--tokenizer", "has " + std::to_string(checkpoint.tokenizer->vocab_size()) +
                                       " ids, the model " +
                                       std::to_string(checkpoint.info.vocab_size));
  const std::string text = read_text(arguments.text);
  const auto encoded = checkpoint.tokenizer->encode(text);
  arguments.windows.resolve("", checkpoint.info.context_len);
  const auto result =
      measure_perplexity(*checkpoint.model, {std::vector<int64_t>(encoded.begin(), encoded.end())},
                         checkpoint.tokenizer->boundary_id(), arguments.windows.window,
                         arguments.windows.stride, Run{});
  const double loss = result.loss_sum / result.n_tokens;
  json out = {{"tokens", result.n_tokens},
              {"bytes", text.size()},
              {"window", arguments.windows.window},
              {"stride", arguments.windows.stride},
              {"loss_nats", loss},
              {"perplexity", std::exp(loss)},
              {"bits_per_byte", nullptr},
              {"kept_fraction", result.kept_fraction}};
  if (checkpoint.tokenizer->lossless())
    out["bits_per_byte"] = result.loss_sum / std::numbers::ln2 / static_cast<double>(text.size());
  if (arguments.as_json) {
    std::cout << out.dump(1) << "\n";
    return;
  }
  for (const char* key :
       {"tokens", "bytes", "window", "stride", "loss_nats", "perplexity", "bits_per_byte"})
    std::printf("%-14s %s\n", key,
                out[key].is_null() ? "refused: the tokenizer does not give back every byte"
                                   : out[key].dump().c_str());
  for (size_t m = 0; m < result.kept_fraction.size(); ++m)
    std::printf("kept_module_%zu  %.4f\n", m, result.kept_fraction[m]);
}

}  // namespace

void add_eval_command(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("eval", "perplexity of a checkpoint on a text file");
  command->footer(
      "The file is one document; its first window starts with the boundary id.\n"
      "Example: sublab eval --model ckpt --text book.txt --context 256 --stride 128 --json");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("--model", arguments->checkpoint, "checkpoint folder")->required();
  command->add_option("--text", arguments->text, "UTF-8 file")->required();
  command->add_option("--tokenizer", arguments->tokenizer,
                      "instead of the checkpoint's own: bytes, or PATH.model");
  command
      ->add_option("--context", arguments->windows.window,
                   "inputs per window; 0 = that of training")
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option("--stride", arguments->windows.stride,
                   "inputs that the window moves by; 0 = half")
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option("--set", arguments->assignments,
                   "change the model, for example model.threshold=0.1")
      ->take_all();
  command->add_flag("--json", arguments->as_json, "print JSON");
  command->callback([&context, arguments] { evaluate(*arguments, context); });
}

}  // namespace sublab

#include <cmath>
#include <cstdio>
#include <iostream>
#include <numbers>

#include "experiments/cli/checkpoint_arguments.h"
#include "experiments/tasks/perplexity.h"

namespace sublab {
namespace {

struct Arguments : CheckpointArguments {
  std::string text;
  PerplexityConfig windows;
};

void evaluate(Arguments& arguments, CommandContext& context) {
  const CheckpointWithTokenizer checkpoint = arguments.open_with_tokenizer(context.catalog);
  arguments.check_other_tokenizer(checkpoint.belongs != TokenizerMatch::same);
  const std::string text = read_text_file(arguments.text);
  const auto encoded = checkpoint.tokenizer->encode(text);
  arguments.check_length("--context", std::to_string(arguments.windows.window) + " inputs are",
                         arguments.windows.window, checkpoint.info.context_len);
  arguments.windows.extrapolate = arguments.extrapolate;
  arguments.windows.resolve("", checkpoint.info.context_len);
  const auto result =
      measure_perplexity(*checkpoint.model, {std::vector<int64_t>(encoded.begin(), encoded.end())},
                         checkpoint.tokenizer->boundary_id(), arguments.windows.window,
                         arguments.windows.stride, Run{});
  const double loss = result.loss_sum / result.n_tokens;
  json out = {{"checkpoint", checkpoint.folder.string()},
              {"tokenizer", checkpoint.tokenizer_json()},
              {"tokens", result.n_tokens},
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
  std::printf("%-14s %s\n", "checkpoint", checkpoint.folder.c_str());
  std::printf("%-14s %s\n", "tokenizer", checkpoint.tokenizer_text().c_str());
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
      "Example: sublab eval results/quick:llama --text book.txt --context 256 --stride 128");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("CKPT,--model", arguments->checkpoint, kCheckpointHelp)->required();
  command->add_option("--text", arguments->text, "UTF-8 file")->required();
  arguments->add_tokenizer_option(*command);
  command
      ->add_option("--context", arguments->windows.window,
                   "inputs per window; 0 = that of training")
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option("--stride", arguments->windows.stride,
                   "inputs that the window moves by; 0 = half")
      ->check(CLI::NonNegativeNumber);
  arguments->add_options(*command);
  command->callback([&context, arguments] { evaluate(*arguments, context); });
}

}  // namespace sublab

// sublab eval: loss of a checkpoint on a file.
#include <cmath>
#include <cstdio>
#include <iostream>

#include "core/schema/metrics.h"
#include "data/text/text_files.h"
#include "experiments/cli/checkpoint_arguments.h"
#include "experiments/tasks/perplexity.h"

namespace sublab {
namespace {

struct Arguments : CheckpointArguments {
  std::string text;
  TextFileRules rules;
  PerplexityConfig windows;
};

/// The documents of the file: of a file of text all of it.
std::vector<std::string> documents_of(const Arguments& arguments) {
  if (text_kind(arguments.text) == TextKind::plain) {
    if (arguments.rules.field != TextFileRules{}.field)
      throw UserError("--field", "has no effect: " + arguments.text + " is not named as JSON");
    return {read_text_file(arguments.text)};
  }
  std::vector<std::string> texts;
  read_text_files(arguments.text, arguments.rules,
                  [&](std::string text) { texts.push_back(std::move(text)); });
  return texts;
}

json measured(const PerplexityResult& result, const PerplexityConfig& windows, size_t n_bytes) {
  const double loss = result.loss_sum / result.n_tokens;
  const ByteLoss bytes = byte_loss(result);
  return {{"tokens", static_cast<int64_t>(result.n_tokens)},
          {"documents", result.documents.size()},
          {"bytes", n_bytes},
          {"window", windows.window},
          {"stride", windows.stride},
          {metric::kLossNats, loss},
          {metric::kPerplexity, std::isfinite(std::exp(loss)) ? json(std::exp(loss)) : json()},
          {metric::kBitsPerByte, bytes.bits_per_byte ? json(*bytes.bits_per_byte) : json()},
          {"documents_without_bytes", bytes.left_out},
          {metric::kKeptFraction, result.kept_fraction}};
}

void print(const json& out, const std::string& note) {
  const auto line = [&](const std::string& key, const std::string& if_none,
                        const std::string& more) {
    std::printf("%-14s %s%s\n", key.c_str(),
                (out[key].is_null() ? if_none : out[key].dump()).c_str(), more.c_str());
  };
  for (const char* key : {"tokens", "documents", "bytes", "window", "stride", metric::kLossNats})
    line(key, "", "");
  line(metric::kPerplexity, "exp(loss) is too large for a number", "");
  line(metric::kBitsPerByte, "refused", note.empty() ? "" : ": " + note);
  for (size_t m = 0; m < out[metric::kKeptFraction].size(); ++m)
    std::printf("kept_module_%zu  %.4f\n", m, out[metric::kKeptFraction][m].get<double>());
}

void evaluate(Arguments& arguments, CommandContext& context) {
  const CheckpointWithTokenizer checkpoint = arguments.open_with_tokenizer(context.catalog);
  arguments.check_other_tokenizer(checkpoint.belongs != TokenizerMatch::same);
  const Tokenizer& tokenizer = *checkpoint.tokenizer;
  arguments.check_length("--context", std::to_string(arguments.windows.window) + " inputs are",
                         arguments.windows.window, checkpoint.info.context_len);
  arguments.windows.extrapolate = arguments.extrapolate;
  arguments.windows.resolve("", checkpoint.info.context_len);
  std::vector<std::vector<int64_t>> documents;
  std::vector<int64_t> given_back;  // bytes
  size_t n_bytes = 0;
  for (const std::string& text : documents_of(arguments)) {
    const auto ids = tokenizer.encode(text);
    documents.emplace_back(ids.begin(), ids.end());
    n_bytes += text.size();
    given_back.push_back(tokenizer.text_of(ids) == text ? static_cast<int64_t>(text.size()) : 0);
  }
  Run run;
  run.declared_length = arguments.windows.window;
  auto result = measure_perplexity(*checkpoint.model, documents, tokenizer.boundary_id(),
                                   arguments.windows.window, arguments.windows.stride, run);
  if (result.n_tokens == 0)
    throw UserError(arguments.text, "has no tokens for this tokenizer: there is nothing to score");
  for (size_t d = 0; d < documents.size(); ++d) result.documents[d].n_bytes = given_back[d];
  json out = measured(result, arguments.windows, n_bytes);
  out["checkpoint"] = checkpoint.folder.string();
  out["tokenizer"] = checkpoint.tokenizer_json();
  if (arguments.as_json) {
    std::cout << out.dump(1) << "\n";
    return;
  }
  std::printf("%-14s %s\n", "checkpoint", checkpoint.folder.c_str());
  std::printf("%-14s %s\n", "tokenizer", checkpoint.tokenizer_text().c_str());
  print(out, byte_loss(result).note);
}

}  // namespace

void add_eval_command(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("eval", "perplexity of a checkpoint on a text file");
  command->footer(
      "A file of text is one document, each line of a .jsonl or .ndjson file and each element of a "
      ".json list is one;\na document's first window starts with the boundary id. Bits per byte "
      "count the documents whose text the\ntokenizer gives back.\n"
      "Example: sublab eval results/quick:llama --text book.txt --context 256 --stride 128");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("CKPT,--model", arguments->checkpoint, kCheckpointHelp)->required();
  command->add_option("--text", arguments->text, "UTF-8 file, or JSON lines")->required();
  command->add_option("--field", arguments->rules.field,
                      "key of the text in JSON objects; default text");
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

// sublab generate: text from a prompt, as it comes.
#include "experiments/generate/generate.h"

#include <cstdio>
#include <iostream>

#include "data/text/documents.h"
#include "experiments/cli/checkpoint_arguments.h"

namespace sublab {
namespace {

struct Arguments : CheckpointArguments {
  std::string prompt, prompt_file;
  GenerateConfig config;
  bool samples_settings = false;  ///< top_p or seed was given
};

std::vector<int64_t> prompt_ids(const Arguments& arguments, const Tokenizer& tokenizer) {
  const bool from_file = !arguments.prompt_file.empty();
  const std::string where = from_file ? arguments.prompt_file : "--prompt";
  const std::string text = from_file ? read_text_file(arguments.prompt_file) : arguments.prompt;
  if (invalid_utf8(text) != std::string::npos) throw UserError(where, "is not UTF-8");
  const auto ids = tokenizer.encode(text);
  if (ids.empty()) throw UserError(where, "has no tokens; give at least one character of text");
  return {ids.begin(), ids.end()};
}

/// Milliseconds, rates and shares of one run, under the names that reports use.
json figures(const Generated& made, size_t n_prompt, const std::vector<SelectionSite>& sites) {
  json out = {{"prompt_tokens", n_prompt},
              {"new_tokens", made.ids.size()},
              {"stopped", made.stopped_by ? "eos" : "max_tokens"},
              {"eos_id", made.stopped_by ? json(*made.stopped_by) : json()},
              {"time_to_first_token_ms", made.time_to_first_token_s * 1e3},
              {"decode_tokens_per_s", nullptr},
              {"kv_cache_bytes", made.kv_cache_bytes},
              {"reached", json::array()}};
  if (made.n_steps > 0)
    out["decode_tokens_per_s"] = static_cast<double>(made.n_steps) / made.decode_s;
  for (size_t m = 0; m < made.reached.size(); ++m)
    out["reached"].push_back(
        {{"module", m}, {"level", sites[m].level}, {"share", made.reached[m]}});
  return out;
}

void print_figures(const json& figures) {
  const std::string stopped = figures["eos_id"].is_null()
                                  ? "max_tokens"
                                  : "the end of the text (id " + figures["eos_id"].dump() + ")";
  std::fprintf(stderr, "%ld prompt tokens, %ld new ones, stopped by %s\n",
               figures["prompt_tokens"].get<long>(), figures["new_tokens"].get<long>(),
               stopped.c_str());
  std::fprintf(stderr, "first token after %.1f ms",
               figures["time_to_first_token_ms"].get<double>());
  if (!figures["decode_tokens_per_s"].is_null())
    std::fprintf(stderr, ", then %.1f tokens/s", figures["decode_tokens_per_s"].get<double>());
  std::fprintf(stderr, "; cache %ld bytes\n", figures["kv_cache_bytes"].get<long>());
  for (const json& module : figures["reached"])
    std::fprintf(stderr, "%.1f %% of the tokens reached level %ld (module %ld)\n",
                 100 * module["share"].get<double>(), module["level"].get<long>(),
                 module["module"].get<long>());
}

void generate_text(const Arguments& arguments, CommandContext& context) {
  if (arguments.config.temperature == 0 && arguments.samples_settings)
    throw UserError("--temperature", "is 0, where --top-p and --seed have no effect");
  const CheckpointWithTokenizer checkpoint = arguments.open_with_tokenizer(context.catalog);
  arguments.check_other_tokenizer(checkpoint.belongs != TokenizerMatch::same);
  const Tokenizer& tokenizer = *checkpoint.tokenizer;
  const auto prompt = prompt_ids(arguments, tokenizer);
  const auto n_prompt = static_cast<int64_t>(prompt.size());
  arguments.check_length("--max-tokens",
                         "a prompt of " + std::to_string(n_prompt) + " tokens and " +
                             std::to_string(arguments.config.max_tokens) + " new ones make " +
                             std::to_string(n_prompt + arguments.config.max_tokens) + ",",
                         n_prompt + arguments.config.max_tokens, checkpoint.info.context_len);
  TextStream stream(tokenizer);
  std::string text;
  const auto emit = [&](const std::string& piece) {
    text += piece;
    if (!arguments.as_json) std::cout << piece << std::flush;
  };
  const Generated made =
      generate(*checkpoint.model, prompt, tokenizer.boundary_id(), checkpoint.stop_ids,
               arguments.config, [&](int64_t id) { emit(stream.add(id)); });
  emit(stream.finish());
  json out = figures(made, prompt.size(), checkpoint.model->selection_sites());
  if (!arguments.as_json) {
    std::cout << std::endl;
    if (names_variant(arguments.checkpoint))
      std::fprintf(stderr, "%s is %s\n", arguments.checkpoint.c_str(), checkpoint.folder.c_str());
    if (checkpoint.belongs != TokenizerMatch::same)
      std::fprintf(stderr, "tokenizer: %s\n", checkpoint.tokenizer_text().c_str());
    print_figures(out);
    return;
  }
  out["checkpoint"] = checkpoint.folder.string();
  out["tokenizer"] = checkpoint.tokenizer_json();
  out["text"] = text;
  out["ids"] = made.ids;
  std::cout << out.dump(1) << "\n";
}

}  // namespace

void add_generate_command(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("generate", "text that a checkpoint writes after a prompt");
  command->footer(
      "The text goes to standard output as it is made, speed and cache to standard error. It ends "
      "at the\neos ids of config.json and generation_config.json, or after --max-tokens.\n"
      "Example: sublab generate ckpt --prompt 'The word' --max-tokens 40 --temperature 0.8");
  auto arguments = std::make_shared<Arguments>();
  GenerateConfig& config = arguments->config;
  command->add_option("CKPT", arguments->checkpoint, kCheckpointHelp)->required();
  auto* prompt = command->add_option_group("prompt");
  prompt->add_option("--prompt", arguments->prompt, "text to go on from");
  prompt->add_option("--prompt-file", arguments->prompt_file, "UTF-8 file to go on from");
  prompt->require_option(1);
  command->add_option("--max-tokens", config.max_tokens, "stop after this many; default 64");
  command->add_option("--temperature", config.temperature,
                      "0 (default) = always the most likely token");
  auto* top_p = command->add_option(
      "--top-p", config.top_p, "sample among the likeliest tokens of this probability; default 1");
  auto* seed = command->add_option("--seed", config.seed, "same seed, same text; default 1");
  arguments->add_tokenizer_option(*command);
  arguments->add_options(*command);
  command->callback([&context, arguments, top_p, seed] {
    arguments->samples_settings = top_p->count() + seed->count() > 0;
    // Ranges are the config's own.
    GenerateConfig checked;
    read_fields(write_fields(arguments->config), "generate", checked);
    generate_text(*arguments, context);
  });
}

}  // namespace sublab

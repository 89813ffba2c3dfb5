// sublab logits: logits of given ids as an array, for other programs.
#include <cstdio>
#include <iostream>

#include "core/npy.h"
#include "experiments/cli/checkpoint_arguments.h"
#include "models/interchange/tensors.h"

namespace sublab {
namespace {

struct Arguments : CheckpointArguments {
  std::string tokens, out, dtype = "float32";
};

std::vector<int64_t> read_ids(const std::string& path, int64_t vocab_size) {
  const json parsed = parse_json(read_file(path), path);
  if (!parsed.is_array() || parsed.empty())
    throw UserError(path, "expected a JSON list of ids that is not empty");
  std::vector<int64_t> ids;
  fields_detail::read_value(parsed, path + ": ", ids,
                            within(0, static_cast<double>(vocab_size - 1)));
  return ids;
}

/// hidden . head^T, [T, V] of T, whatever the model computes in.
template <class T>
void write_product(const std::string& out, const at::Tensor& hidden, const at::Tensor& head) {
  const at::Tensor logits =
      at::mm(hidden, head.t()).to(c10::CppTypeToScalarType<T>::value).contiguous().cpu();
  const T* data = logits.const_data_ptr<T>();
  write_npy(out, std::vector<T>(data, data + logits.numel()), logits.sizes().vec());
  if (!logits.isfinite().all().item<bool>())
    std::cerr << "sublab: some logits are not finite numbers\n";
}

void write_logits(const Arguments& arguments, CommandContext& context) {
  at::NoGradGuard no_grad;
  const Checkpoint checkpoint = arguments.open(context.catalog);
  const bool wide = arguments.dtype == "float64";
  if (wide) convert_model(*checkpoint.model, at::kDouble);
  const auto ids = read_ids(arguments.tokens, checkpoint.info.vocab_size);
  const auto n = static_cast<int64_t>(ids.size());
  arguments.check_length(arguments.tokens, std::to_string(n) + " ids are", n,
                         checkpoint.info.context_len);
  const Batch batch{at::tensor(ids, at::kLong).to(checkpoint.model->device()),
                    Rows::contiguous({n})};
  const at::Tensor hidden = run_model(*checkpoint.model, batch, nullptr, Run{});
  const at::Tensor& head = checkpoint.model->head_weight();
  (wide ? write_product<double> : write_product<float>)(arguments.out, hidden, head);
  if (arguments.as_json)
    std::cout << json{{"shape", {n, head.size(0)}},
                      {"dtype", arguments.dtype},
                      {"out", arguments.out}}
                     .dump()
              << "\n";
  else
    std::printf("%ld x %ld logits in %s\n", n, head.size(0), arguments.out.c_str());
}

}  // namespace

void add_logits_command(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("logits", "logits of a row of ids, for anyone to check");
  command->footer(
      "Example: sublab logits ckpt --tokens ids.json --out logits.npy   (ids.json: [1, 5, 9])");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("CKPT", arguments->checkpoint, kCheckpointHelp)->required();
  command->add_option("--tokens", arguments->tokens, "JSON list of ids")->required();
  command->add_option("--out", arguments->out, "file to write: [T, V] .npy")->required();
  command
      ->add_option("--dtype", arguments->dtype,
                   "number format of the computation and of the file: float32 or float64")
      ->check(CLI::IsMember({"float32", "float64"}));
  arguments->add_options(*command);
  command->callback([&context, arguments] { write_logits(*arguments, context); });
}

}  // namespace sublab

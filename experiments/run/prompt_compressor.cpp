// From an entry of `evaluate` to what shortens its prompts, which may open a model of its own.
#include "experiments/run/prompt_compressor.h"

#include "core/schema/checkpoint_path.h"
#include "core/schema/metrics.h"
#include "experiments/checkpoint/checkpoint.h"
#include "experiments/text/text_data.h"

namespace sublab {

std::unique_ptr<PromptCompressor> compressor_of(const json& resolved, const TaskContext& context,
                                                const Catalog& catalog) {
  constexpr const char* kKey = condition::kCompression;
  if (!resolved.contains(kKey)) return nullptr;
  const at::Device device = context.model.device();
  const auto open = [&catalog, device](const std::string& name) {
    Checkpoint opened = load_checkpoint(find_checkpoint(name), catalog, json::object(), device);
    return SecondModel{std::move(opened.model), std::move(opened.tokenizer),
                       opened.info.boundary_id};
  };
  return make_choice(catalog.compressions, kKey, resolved.at(kKey),
                     std::string("/evaluate/") + kKey,
                     {.model = context.model,
                      .tokenizer = context.text ? &context.text->tokenizer() : nullptr,
                      .seed = static_cast<uint64_t>(context.seed),
                      .open = open});
}

}  // namespace sublab

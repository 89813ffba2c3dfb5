// Which of Zipformer's settings go together, and the sizes of its stacks.
#include "baselines/architectures/zipformer_config.h"

#include <algorithm>

#include "baselines/architectures/stacks.h"

namespace sublab::zipformer {

void Config::resolve(const std::string& path, const json& given, const Parts& parts) {
  const std::vector<Stack> all = parse_stacks(stacks, path + "/stacks");
  n_layers = agreed_layers(all, stacks, given.contains("n_layers"), n_layers, path);
  DecoderConfig::resolve(path);
  AttentionConfig::resolve(path, parts);
  if (std::all_of(all.begin(), all.end(), [](const Stack& stack) { return stack.rate == 1; }))
    throw UserError(path + "/stacks", "'" + stacks + "' has no rate above 1; that is llama");
  check_heads(path, all.size());
  const Config defaults;
  const auto none = [&](const char* key, double value, double usual, const char* why) {
    if (value != usual)
      throw UserError(path + "/" + key, json(value).dump() + " has no effect with " + why);
  };
  if (schedule == "paper_steps")
    none("bypass_ramp", bypass_ramp, defaults.bypass_ramp, "schedule paper_steps");
  if (bypass_probability > 0) return;
  none("bypass_low_start", bypass_low_start, defaults.bypass_low_start, "bypass_probability 0");
  none("bypass_low_end", bypass_low_end, defaults.bypass_low_end, "bypass_probability 0");
  none("bypass_ramp", bypass_ramp, defaults.bypass_ramp, "bypass_probability 0");
}

void Config::check_heads(const std::string& path, size_t n_stacks) const {
  const std::string at = path + "/stack_heads";
  if (!stack_heads.empty() && stack_heads.size() != n_stacks)
    throw UserError(at, "lists " + std::to_string(stack_heads.size()) + " values, but stacks has " +
                            std::to_string(n_stacks));
  for (size_t i = 0; i < stack_heads.size(); ++i) {
    const int64_t heads = stack_heads[i];
    const auto refuse = [&](const std::string& what) {
      throw UserError(at + "/" + std::to_string(i), std::to_string(heads) + " " + what);
    };
    if (heads > n_heads) refuse("is more than n_heads, " + std::to_string(n_heads));
    if (heads * n_kv_heads % n_heads != 0)
      refuse("of " + std::to_string(n_heads) + " query heads leave no whole number of " +
             std::to_string(n_kv_heads) + " key/value heads");
    if (heads * d_model % n_heads != 0)
      refuse("of " + std::to_string(n_heads) + " heads are no whole number of d_model's " +
             std::to_string(d_model) + " channels");
  }
  if (!stack_heads.empty() && *std::max_element(stack_heads.begin(), stack_heads.end()) < n_heads)
    throw UserError(at, "no stack has n_heads, " + std::to_string(n_heads) +
                            ", and so all channels of d_model");
  if (tied_head && heads_of(0) < n_heads)
    throw UserError(path + "/tied_head",
                    "needs a first stack as wide as the output; stack_heads begins with " +
                        std::to_string(heads_of(0)) + " of " + std::to_string(n_heads));
}

DecoderConfig Config::of_stack(size_t stack) const {
  DecoderConfig out = *this;
  out.n_heads = heads_of(stack);
  out.n_kv_heads = n_kv_heads * out.n_heads / n_heads;
  out.d_model = d_model * out.n_heads / n_heads;
  out.d_ff = d_ff * out.n_heads / n_heads;
  return out;
}

}  // namespace sublab::zipformer

// Embedding, final norm and head: their draws, names and cost.
#include "models/parts/token_ends.h"

#include <cmath>

namespace sublab {

TokenEnds::TokenEnds(const TokenEndsConfig& config, const Initial& initial)
    : tied_(config.tied_head),
      embedding_(normal_parameter("model.embed_tokens.weight", {config.vocab_size, config.d_model},
                                  config.embedding_std, initial)),
      norm_("model.norm", config.d_model, config.norm_epsilon, initial) {
  const double std_dev =
      config.init_std > 0 ? config.init_std : 1 / std::sqrt(static_cast<double>(config.d_model));
  if (!tied_)
    head_ =
        normal_parameter("lm_head.weight", {config.vocab_size, config.d_model}, std_dev, initial);
}

at::Tensor TokenEnds::embed(const at::Tensor& tokens) const {
  return at::embedding(embedding_, tokens);
}

void TokenEnds::add_front_parameters(std::vector<Parameter>& out) const {
  out.push_back({"model.embed_tokens.weight", embedding_, 1.0, true});
}

void TokenEnds::add_back_parameters(std::vector<Parameter>& out) const {
  norm_.add_parameters(out);
  if (!tied_) out.push_back({"lm_head.weight", head_, 1.0, true});
}

void TokenEnds::add_cost(double tokens, double angle_numbers, const CostShape& shape,
                         Ledger& ledger) const {
  const double bytes_per_number = shape.bytes_per_number;
  const auto d = static_cast<double>(embedding_.size(1));
  const auto v = static_cast<double>(embedding_.size(0));
  LedgerLine line = linear_cost("head", -1, 0, tokens, d, v, bytes_per_number);
  // The final norm's input, scale and output, the angles of level 0, and the gradients to hidden
  // states and head, which are made on the way forward.
  line.activation_bytes =
      (tokens * (Norm::kept_numbers(d, bytes_per_number, shape.plain) + angle_numbers + d) +
       v * d) *
      bytes_per_number;
  ledger.add(line);
}

}  // namespace sublab

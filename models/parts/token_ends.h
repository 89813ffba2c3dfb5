// Both ends of a model: embedding in front, final norm and head behind.
#pragma once

#include <optional>
#include <vector>

#include "models/parts/linear.h"
#include "models/parts/norm.h"
#include "models/parts/readout.h"

namespace sublab {

struct TokenEndsConfig {
  int64_t d_model = 256;
  int64_t vocab_size = 0;
  double norm_epsilon = 1e-5;
  bool tied_head = false;  ///< the head is the embedding
  double embedding_std = 1;
  double init_std = 0;  ///< of the head; 0 = d_model^-0.5
};

/// Tensors model.embed_tokens.weight, model.norm.weight and lm_head.weight.
class TokenEnds : public Readout {
 public:
  TokenEnds(const TokenEndsConfig& config, const Initial& initial);

  /// tokens [N] -> [N, D].
  at::Tensor embed(const at::Tensor& tokens) const;
  at::Tensor final_norm(const at::Tensor& x) const override { return norm_(x); }
  const at::Tensor& head_weight() const override { return tied_ ? embedding_ : head_; }
  at::TensorOptions options() const { return embedding_.options(); }

  /// The parameters of the front come before those of the layers, the others behind them: the order
  /// of LanguageModel::parameters() is the order in which gradients are summed.
  void add_front_parameters(std::vector<Parameter>& out) const;
  void add_back_parameters(std::vector<Parameter>& out) const;
  /// Norm, head and loss over `tokens`; `angle_numbers`: angles per token that level 0 keeps.
  void add_cost(double tokens, double angle_numbers, const CostShape& shape, Ledger& ledger) const;

 private:
  bool tied_;
  at::Tensor embedding_;  // [V, D]
  Norm norm_;
  at::Tensor head_;  // [V, D]; undefined where it is the embedding
};

}  // namespace sublab

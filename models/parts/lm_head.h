// The head and its loss. Logits of all tokens at once are never made: [C, V] at a time.
#pragma once

#include <ATen/ATen.h>

#include "models/rows.h"

namespace sublab {

/// Tokens whose logits the loss makes at once on `device`: below 16 MB of fp32 on a CPU, whose
/// caches they pass through; below 512 MB on CUDA, whose products want thousands of rows.
int64_t loss_chunk_tokens(int64_t vocab_size, at::Device device);

/// Sum over tokens of -log softmax(hidden . head^T)[label], divided by `divisor` (the tokens of the
/// whole step, known before backward), as a scalar. Labels below 0 are left out.
/// hidden [N, D], head [V, D], labels [N] int64. Gradients to hidden and head are made on the way
/// forward, so that each chunk's logits are computed once.
at::Tensor lm_loss(const at::Tensor& hidden, const at::Tensor& head, const at::Tensor& labels,
                   double divisor);

/// The same with all logits at once, from plain operators.
at::Tensor lm_loss_naive(const at::Tensor& hidden, const at::Tensor& head, const at::Tensor& labels,
                         double divisor);

/// -log softmax(hidden . head^T)[label] per token, [N] in hidden's dtype; 0 where the label is
/// below 0. No gradient.
at::Tensor token_losses(const at::Tensor& hidden, const at::Tensor& head, const at::Tensor& labels);

/// Entropy of softmax(hidden . head^T) in nats per token, [N] in hidden's dtype. No gradient.
at::Tensor token_entropies(const at::Tensor& hidden, const at::Tensor& head);

/// Logits [B, V] of what follows each row's last token. hidden [N, D]; no row is empty.
at::Tensor next_logits(const at::Tensor& hidden, const Rows& rows, const at::Tensor& head);

/// The most likely next token behind each token, [N] int64.
at::Tensor token_guesses(const at::Tensor& hidden, const at::Tensor& head);

}  // namespace sublab

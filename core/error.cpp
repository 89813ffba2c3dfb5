// The nearest known name, by edit distance, and how a mistake reads.
#include "core/error.h"

#include <algorithm>
#include <numeric>

namespace sublab {
namespace {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substitute = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row[b.size()];
}

/// Names that other programs use, and fields whose part of a study is easily forgotten.
struct Alias {
  const char *name, *part, *field;
};
constexpr Alias kAliases[] = {
    {"lr", "train", "learning_rate"},
    {"learning_rate", "train", "learning_rate"},
    {"max_lr", "train", "learning_rate"},
    {"min_lr", "train", "final_learning_rate"},
    {"wd", "train", "weight_decay"},
    {"weight_decay", "train", "weight_decay"},
    {"batch_size", "train", "batch_tokens"},
    {"micro_batch_size", "train", "micro_batch_tokens"},
    {"tokens", "train", "tokens"},
    {"n_tokens", "train", "tokens"},
    {"max_tokens", "train", "tokens"},
    {"train_tokens", "train", "tokens"},
    {"steps", "train", "tokens"},
    {"max_steps", "train", "tokens"},
    {"n_steps", "train", "tokens"},
    {"warmup_steps", "train", "warmup"},
    {"warmup_ratio", "train", "warmup"},
    {"grad_clip", "train", "clip_norm"},
    {"max_grad_norm", "train", "clip_norm"},
    {"clip_grad_norm", "train", "clip_norm"},
    {"adam_beta1", "train", "beta1"},
    {"adam_beta2", "train", "beta2"},
    {"adam_epsilon", "train", "epsilon"},
    {"eps", "train", "epsilon"},
    {"gradient_checkpointing", "train", "recompute"},
    {"precision", "train", "dtype"},
    {"torch_dtype", "train", "dtype"},
    {"hidden_size", "model", "d_model"},
    {"hidden_dim", "model", "d_model"},
    {"n_embd", "model", "d_model"},
    {"embed_dim", "model", "d_model"},
    {"dim", "model", "d_model"},
    {"width", "model", "d_model"},
    {"d_model", "model", "d_model"},
    {"num_heads", "model", "n_heads"},
    {"num_attention_heads", "model", "n_heads"},
    {"n_head", "model", "n_heads"},
    {"heads", "model", "n_heads"},
    {"n_heads", "model", "n_heads"},
    {"num_key_value_heads", "model", "n_kv_heads"},
    {"num_kv_heads", "model", "n_kv_heads"},
    {"num_layers", "model", "n_layers"},
    {"num_hidden_layers", "model", "n_layers"},
    {"n_layer", "model", "n_layers"},
    {"layers", "model", "n_layers"},
    {"depth", "model", "n_layers"},
    {"n_layers", "model", "n_layers"},
    {"intermediate_size", "model", "d_ff"},
    {"ffn_dim", "model", "d_ff"},
    {"ffn_hidden_size", "model", "d_ff"},
    {"norm_eps", "model", "norm_epsilon"},
    {"rms_norm_eps", "model", "norm_epsilon"},
    {"layer_norm_eps", "model", "norm_epsilon"},
    {"tie_word_embeddings", "model", "tied_head"},
    {"tie_embeddings", "model", "tied_head"},
    {"initializer_range", "model", "init_std"},
    {"capacity", "model", "retention"},
    {"keep_ratio", "model", "retention"},
    {"retention_ratio", "model", "retention"},
    {"retention", "model", "retention"},
    {"block_size", "data", "context_len"},
    {"seq_len", "data", "context_len"},
    {"seq_length", "data", "context_len"},
    {"sequence_length", "data", "context_len"},
    {"max_seq_len", "data", "context_len"},
    {"max_position_embeddings", "data", "context_len"},
    {"context_length", "data", "context_len"},
    {"context_len", "data", "context_len"},
    {"dataset", "data", "corpus"},
    {"datasets", "data", "corpus"},
    {"corpora", "data", "corpus"},
    {"tokenizer", "data", "tokenizer"},
};

/// The candidate that another program calls `name`; where a part of a study is asked for, the field
/// in it ("train.learning_rate"). "" when there is none.
std::string known_alias(std::string_view name, const std::vector<std::string>& candidates) {
  const auto is_candidate = [&](const char* text) {
    return std::find(candidates.begin(), candidates.end(), text) != candidates.end();
  };
  const bool of_parts = is_candidate("model") && is_candidate("data") && is_candidate("train");
  for (const Alias& alias : kAliases) {
    if (name != alias.name) continue;
    if (is_candidate(alias.field)) return alias.field;
    if (of_parts) return std::string(alias.part) + "." + alias.field;
  }
  return "";
}

}  // namespace

std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
  if (const std::string alias = known_alias(name, candidates); !alias.empty()) return alias;
  std::string best;
  size_t best_distance = std::max<size_t>(2, name.size() / 3) + 1;
  for (const auto& candidate : candidates) {
    const size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

void throw_unknown_name(const std::string& where, const std::string& kind, std::string_view name,
                        const std::vector<std::string>& allowed) {
  std::string what = "unknown " + kind + " '" + std::string(name) + "'";
  const std::string near = nearest_name(name, allowed);
  if (!near.empty()) what += "; did you mean '" + near + "'?";
  if (!allowed.empty()) what += " (one of: " + join(allowed) + ")";
  throw UserError(where, what);
}

std::string join(const std::vector<std::string>& items, const std::string& separator) {
  std::string out;
  for (const auto& item : items) {
    if (!out.empty()) out += separator;
    out += item;
  }
  return out;
}

}  // namespace sublab

// Cuts that keep bytes exact, and the trigram beside the model.
#include "experiments/tasks/held_out.h"

#include <algorithm>
#include <set>

#include "data/trigram.h"

namespace sublab::perplexity {
namespace {

/// The pieces of documents that row `row` holds.
void add_pieces(const TokenRow& row, int64_t boundary_id, std::vector<std::vector<int64_t>>& out) {
  out.emplace_back();
  std::vector<int64_t> ids = row.tokens;
  ids.push_back(row.labels.back());
  for (const int64_t id : ids)
    if (id != boundary_id)
      out.back().push_back(id);
    else if (!out.back().empty())
      out.emplace_back();
}

}  // namespace

double trigram_loss(const TaskContext& context,
                    const std::vector<std::vector<int64_t>>& documents) {
  const TextData& text = *context.text;
  const auto rows = text.rows(context.seed);
  const int64_t n_rows =
      (context.config.train.tokens + rows->context_len() - 1) / rows->context_len();
  std::vector<std::vector<int64_t>> train;
  const int32_t boundary = text.tokenizer().boundary_id();
  for (int64_t i = 0; i < std::min(n_rows, rows->rows_per_epoch()); ++i)
    add_pieces(rows->row(i), boundary, train);
  const InterpolatedTrigram trigram(train, text.tokenizer().vocab_size(), boundary);
  double loss = 0, tokens = 0;
  for (const auto& document : documents)
    loss += trigram.loss_nats(document), tokens += static_cast<double>(document.size());
  return loss / tokens;
}

/// A cut through a character that is spelled in several byte tokens would make bytes inexact: the
/// cut moves to the character's beginning.
Beginning beginning_of(const TokenShard& shard, int64_t document, int64_t max_tokens,
                       const Tokenizer& tokenizer) {
  std::vector<int64_t> ids = TextData::ids(shard, document);
  const auto text_of = [&] {
    return tokenizer.text_of(std::vector<int32_t>(ids.begin(), ids.end()));
  };
  const std::string whole = text_of();
  const bool exact = document_key(whole) == shard.key(document);
  if (max_tokens == 0 || static_cast<int64_t>(ids.size()) <= max_tokens) return {ids, whole, exact};
  ids.resize(static_cast<size_t>(max_tokens));
  std::string text = text_of();
  while (ids.size() > 1 && !whole.starts_with(text)) {
    ids.pop_back();
    text = text_of();
  }
  return {ids, text, exact};
}

void compare_with_text(const TextData& data, Split split, const std::vector<int64_t>& chosen,
                       std::vector<Beginning>& beginnings) {
  std::set<uint64_t> unsure;
  for (size_t i = 0; i < chosen.size(); ++i)
    if (!beginnings[i].exact) unsure.insert(data.split(split).key(chosen[i]));
  if (unsure.empty()) return;
  const auto texts = data.texts(split, unsure);
  for (size_t i = 0; i < chosen.size(); ++i) {
    const auto text = texts.find(data.split(split).key(chosen[i]));
    const bool cut =
        static_cast<int64_t>(beginnings[i].ids.size()) < data.split(split).n_tokens(chosen[i]);
    if (text != texts.end() && cut)
      beginnings[i].exact = text->second.starts_with(beginnings[i].text);
  }
}

}  // namespace sublab::perplexity

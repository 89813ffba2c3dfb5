// Runs a text through a checkpoint and notes each token's decisions and loss.
#include "experiments/inspect/inspect.h"

#include <algorithm>

#include "core/error.h"
#include "experiments/observe/kept_tokens.h"
#include "models/parts/lm_head.h"

namespace sublab {
namespace {

/// What every module that has a scorer said in one pass.
class ScoreRecorder : public Observer {
 public:
  explicit ScoreRecorder(size_t n_modules) : scores_(n_modules), weights_(n_modules) {}
  void selected(int64_t module, const at::Tensor& scores, const Rows&, const at::Tensor& index,
                const at::Tensor& weights) override {
    const auto m = static_cast<size_t>(module);
    scores_[m] = doubles(scores);
    weights_[m].assign(scores_[m].size(), kNone);
    const at::Tensor kept = index.cpu().contiguous();
    const auto kept_weights = doubles(weights);
    for (int64_t k = 0; k < kept.numel(); ++k)
      weights_[m][static_cast<size_t>(kept.const_data_ptr<int64_t>()[k])] = kept_weights[k];
  }
  /// Of a module's parent tokens; empty without a scorer.
  const std::vector<double>& scores(size_t module) const { return scores_[module]; }
  const std::vector<double>& weights(size_t module) const { return weights_[module]; }

 private:
  static std::vector<double> doubles(const at::Tensor& values) {
    const at::Tensor on_host = values.detach().to(at::kCPU, at::kDouble).contiguous();
    const auto* data = on_host.const_data_ptr<double>();
    return {data, data + on_host.numel()};
  }

  std::vector<std::vector<double>> scores_, weights_;
};

/// One window: tokens [begin, end) of `out` are read.
void inspect_window(const LanguageModel& model, const KeepRule* forced, size_t begin, size_t end,
                    InspectedText& out) {
  const auto n = static_cast<int64_t>(end - begin);
  std::vector<int64_t> ids, labels;
  for (size_t i = begin; i < end; ++i) {
    ids.push_back(out.tokens[i].id);
    labels.push_back(i + 1 < out.tokens.size() ? out.tokens[i + 1].id : -1);
  }
  ScoreRecorder recorder(out.modules.size());
  RecordedKeeps keeps;
  Run run;
  run.forced = forced;
  run.recorded = &keeps;
  run.observer = &recorder;
  const Batch batch{at::tensor(ids, at::kLong).to(model.device()), Rows::contiguous({n})};
  const at::Tensor hidden = run_model(model, batch, nullptr, run);
  const at::Tensor losses =
      token_losses(hidden, model.head_weight(), at::tensor(labels, at::kLong).to(model.device()))
          .to(at::kCPU, at::kDouble)
          .contiguous();
  const auto depths = depths_of(keeps, model, 0, n);
  for (size_t i = begin; i < end; ++i) {
    out.tokens[i].depth = depths[i - begin];
    if (i + 1 < out.tokens.size())
      out.tokens[i + 1].loss = losses.const_data_ptr<double>()[i - begin];
  }
  const auto parents = parent_places(keeps, model, 0, n);
  for (size_t m = 0; m < out.modules.size(); ++m)
    for (size_t p = 0; p < parents[m].size(); ++p) {
      const size_t place = begin + static_cast<size_t>(parents[m][p]);
      const bool scored = !recorder.scores(m).empty();
      out.modules[m].scores[place] = scored ? recorder.scores(m)[p] : kNone;
      out.modules[m].weights[place] = scored ? recorder.weights(m)[p] : 1;
    }
}

/// "subllm TT(T(TT)T)TT, scorer learned, ...": what tells checkpoints apart.
std::string description(const CheckpointInfo& info) {
  std::string out = info.model.value("architecture", "model");
  for (const char* key :
       {"structure", "n_layers", "d_model", "retention", "scorer", "evaluate_selector"})
    if (info.model.contains(key)) {
      const json& value = info.model[key];
      const std::string name = chosen_type(value);
      out += std::string(", ") + key + " " + (name.empty() ? value.dump() : name);
      if (value.is_object())
        for (const auto& [setting, given] : value.items())
          if (setting != "type") out += " " + setting + " " + given.dump();
    }
  return out;
}

bool is_causal(const CheckpointInfo& info, const Parts& parts) {
  if (!info.model.contains("evaluate_selector")) return true;
  const auto name = [&](const char* key) { return chosen_type(info.model[key]); };
  return find_entry(parts.selectors, "selector", name("evaluate_selector"), "/model").causal &&
         find_entry(parts.scorers, "scorer", name("scorer"), "/model").causal;
}

int64_t n_bytes(const TokenizedText& text) {
  int64_t out = 0;
  for (const std::string& bytes : text.bytes) out += static_cast<int64_t>(bytes.size());
  return out;
}

/// Drops tokens that go beyond `most` bytes, down to one.
void cut_to(TokenizedText& text, int64_t most) {
  for (int64_t n = n_bytes(text); n > most && text.ids.size() > 1;) {
    n -= static_cast<int64_t>(text.bytes.back().size());
    text.ids.pop_back();
    text.bytes.pop_back();
  }
}

/// How the readings go together; cuts them to equally much text where their tokens differ.
Alignment align(const std::vector<NamedCheckpoint>& checkpoints,
                std::vector<TokenizedText>& texts) {
  if (texts.size() < 2) return Alignment::none;
  if (checkpoints[0].checkpoint->tokenizer->content_hash() ==
      checkpoints[1].checkpoint->tokenizer->content_hash())
    return Alignment::tokens;
  const int64_t shorter = std::min(n_bytes(texts[0]), n_bytes(texts[1]));
  for (TokenizedText& text : texts) cut_to(text, shorter);
  return texts[0].exact && texts[1].exact ? Alignment::bytes : Alignment::none;
}

}  // namespace

TokenizedText tokenize(const std::string& text, const Tokenizer& tokenizer, int64_t max_tokens) {
  TokenizedText out;
  std::string all;
  for (const int32_t id : tokenizer.encode(text)) {
    if (static_cast<int64_t>(out.ids.size()) == max_tokens) break;
    out.ids.push_back(id);
    out.bytes.push_back(tokenizer.decode({id}));
    all += out.bytes.back();
  }
  // Llama's tokenizer puts a blank of its own before the text.
  if (!text.starts_with(all) && all.starts_with(' ') && text.starts_with(all.substr(1))) {
    out.bytes.front().erase(0, 1);
    all.erase(0, 1);
  }
  out.exact = text.starts_with(all);
  return out;
}

InspectedText inspect_tokens(const LanguageModel& model, const TokenizedText& text,
                             const Tokenizer& tokenizer, int64_t window, const KeepRule* forced) {
  at::NoGradGuard no_grad;
  InspectedText out;
  out.window = window;
  std::vector<int64_t> ids{tokenizer.boundary_id()};
  ids.insert(ids.end(), text.ids.begin(), text.ids.end());
  const auto kinds = token_classes(ids, tokenizer);
  int64_t begin = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    InspectedToken token;
    token.id = ids[i];
    if (i > 0) token.bytes = text.bytes[i - 1];
    token.begin = begin;
    begin = token.end();
    token.kind = static_cast<TokenClass>(kinds[i]);
    out.tokens.push_back(token);
  }
  const std::vector<double> nothing(ids.size(), kNone);
  for (const SelectionSite& site : model.selection_sites())
    out.modules.push_back({site.level, nothing, nothing});
  for (size_t at = 0; at < ids.size(); at += static_cast<size_t>(window))
    inspect_window(model, forced, at, std::min(at + static_cast<size_t>(window), ids.size()), out);
  return out;
}

Inspection inspect_text(const std::vector<NamedCheckpoint>& checkpoints, const std::string& path,
                        const std::string& text, int64_t max_tokens, const Parts& parts) {
  std::vector<TokenizedText> texts;
  int64_t window = checkpoints.front().checkpoint->info.context_len;
  for (const NamedCheckpoint& one : checkpoints) {
    texts.push_back(tokenize(text, *one.checkpoint->tokenizer, max_tokens));
    if (texts.back().ids.empty())
      throw UserError(path, "has no tokens for the tokenizer of " + one.name);
    window = std::min(window, one.checkpoint->info.context_len);
  }
  Inspection out;
  out.text = path;
  out.alignment = align(checkpoints, texts);
  for (size_t s = 0; s < checkpoints.size(); ++s) {
    const Checkpoint& checkpoint = *checkpoints[s].checkpoint;
    InspectedText side = inspect_tokens(*checkpoint.model, texts[s], *checkpoint.tokenizer, window);
    side.name = checkpoints[s].name;
    side.model = description(checkpoint.info);
    side.tokenizer = std::to_string(checkpoint.tokenizer->vocab_size()) + " ids" +
                     (checkpoint.tokenizer->model_bytes().empty() ? ", bytes" : ", SentencePiece");
    if (!checkpoints[s].tokenizer_note.empty())
      side.tokenizer += "; " + checkpoints[s].tokenizer_note;
    side.causal = is_causal(checkpoint.info, parts);
    out.sides.push_back(std::move(side));
  }
  out.text_bytes = static_cast<int64_t>(text.size());
  out.shown_bytes = out.sides.front().tokens.back().end();
  out.cut_short = texts.front().exact && out.shown_bytes < out.text_bytes;
  return out;
}

}  // namespace sublab

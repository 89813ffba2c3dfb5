// LLMLingua (arXiv:2310.05736; microsoft/LLMLingua): a small causal LM reads the context, and the
// tokens that it expected most are left out. With a context of n tokens, s_j the j-th segment of
// `segment` of them, and c_j what stays of it:
//
//   surprise of x_i in s_j:  -log p(x_i | boundary, c_1 .. c_{j-1}, x before i in s_j)
//   c_j:  the k_j tokens of the segment with the highest surprise (of equal ones the earlier), in
//         order,   k_1 + .. + k_j = round(rate * tokens of s_1 .. s_j)
//
// Before that whole parts may go (coarse to fine): with a `separator` the context is split into
// parts, such as demonstrations, and those with the highest mean surprise, each read by itself,
// stay while they have no more than granularity * rate * n tokens together, the first one in any
// case. `rate` then falls on what stays, so that rate * n tokens remain.
//
// Deviations: the paper's quantile keeps what lies strictly above it, which is one token less and
// more than one less with ties; here the share is met to the token. Released code keeps the cached
// keys of the tokens that stay as they were made among those that go; here what stays is read
// again, as the paper writes it. A budget per part beside instruction and question: these are not
// touched here. The answering model reads text, so the two tokenizers may differ; a trial without
// text compresses ids, which both must share.
//
// Not causal: who stays depends on all of a segment. That is right for a prompt, which is there as
// a whole, and only prompts are compressed.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "core/error.h"
#include "core/safetensors.h"
#include "core/schema/checkpoint_path.h"
#include "models/entries/compression.h"
#include "models/parts/lm_head.h"

namespace sublab {
namespace llmlingua {

struct Config {
  double rate = 0.5;
  int64_t segment = 200;
  std::string checkpoint;
  std::string weights;
  std::string separator;
  std::optional<double> granularity;

  template <class F>
  void fields(F& f) {
    f("rate", rate, "share of the context's tokens that stay", above(0, 1));
    f("segment", segment, "tokens that are decided at once", within(1, 1 << 20));
    f("checkpoint", checkpoint,
      "the model that reads the context: a folder or STUDY_DIR:VARIANT; empty = the one that "
      "answers");
    f("weights", weights, "hash of its weights, found where it is empty; others are refused");
    f("separator", separator,
      "what parts of a context stand between, of which whole ones may go; empty = one part");
    f("granularity", granularity,
      "what the parts that stay may have, in what stays of all; null = 2", within(1, 1e6));
  }
  void validate(const std::string& path) const {
    if (!weights.empty() && checkpoint.empty())
      throw UserError(path + "/weights", "has no effect without a checkpoint");
    if (granularity && separator.empty())
      throw UserError(path + "/granularity", "has no effect without a separator");
  }
};

/// The hash of the checkpoint's weights beside its name. Throws UserError for other weights than
/// those that stand there.
void settle_weights(Config& config, const std::string& path) {
  if (config.checkpoint.empty()) return;
  const std::string found = weights_hash(find_checkpoint(config.checkpoint));
  if (!config.weights.empty() && config.weights != found)
    throw UserError(path + "/weights", "'" + config.weights + "', but those of " +
                                           config.checkpoint + " have " + found);
  config.weights = found;
}

/// Places of the `n` largest numbers, of equal ones the first, ascending.
std::vector<size_t> largest(const std::vector<double>& numbers, size_t n) {
  std::vector<size_t> out(numbers.size());
  std::iota(out.begin(), out.end(), 0);
  std::stable_sort(out.begin(), out.end(),
                   [&](size_t a, size_t b) { return numbers[a] > numbers[b]; });
  out.resize(std::min(n, out.size()));
  std::sort(out.begin(), out.end());
  return out;
}

/// A model on its way through a row, and what reading costs.
class Reader {
 public:
  Reader(const LanguageModel& model, int64_t boundary_id, CompressionCost& cost)
      : model_(model), cost_(cost), state_(model.new_state(1, 1)) {
    read({boundary_id});
  }

  /// Surprise of tokens that would come next; the row stays where it is.
  std::vector<double> surprise(const std::vector<int64_t>& ids) const {
    const auto ahead = state_->fork({0});
    const at::Tensor hidden = pass(ids, *ahead, /*with_head=*/true);
    const at::Tensor before =
        at::cat({last_, hidden.slice(0, 0, static_cast<int64_t>(ids.size()) - 1)});
    const at::Tensor losses =
        token_losses(before, model_.head_weight(), at::tensor(ids, at::kLong).to(hidden.device()))
            .to(at::kCPU, at::kDouble)
            .contiguous();
    return {losses.const_data_ptr<double>(), losses.const_data_ptr<double>() + losses.numel()};
  }
  /// Takes tokens into the row.
  void read(const std::vector<int64_t>& ids) {
    if (ids.empty()) return;
    last_ = pass(ids, *state_, /*with_head=*/false).slice(0, static_cast<int64_t>(ids.size()) - 1);
  }

 private:
  at::Tensor pass(const std::vector<int64_t>& ids, DecodeState& state, bool with_head) const {
    const auto n = static_cast<int64_t>(ids.size());
    Ledger ledger;
    CostShape shape = CostShape::whole_rows(1, n);
    shape.past_tokens = {state.lengths().front()};
    model_.add_cost(shape, ledger);
    cost_.tokens_read += static_cast<double>(n);
    for (const LedgerLine& line : ledger.lines())
      if (with_head || line.part != "head") cost_.flops += line.flops_causal;
    Run run;
    run.mode = Mode::step;
    const at::Tensor tokens = at::tensor(ids, at::kLong).to(model_.device());
    return run_model(model_, continue_rows(state, tokens, {n}), &state, run);
  }

  const LanguageModel& model_;
  CompressionCost& cost_;
  std::unique_ptr<DecodeState> state_;
  at::Tensor last_;  // [1, D], behind which the row goes on
};

class Llmlingua : public PromptCompressor {
 public:
  Llmlingua(const Config& config, const CompressionContext& context)
      : config_(config), answering_(context.model), text_(context.tokenizer != nullptr) {
    tokenizer_ = context.tokenizer;
    if (tokenizer_) boundary_id_ = tokenizer_->boundary_id();
    if (!config.separator.empty() && !text_)
      throw UserError("/evaluate/compression/separator",
                      "splits text, and this trial has no tokenizer; allowed: empty");
    if (config.checkpoint.empty()) return;
    Config found = config;
    settle_weights(found, "/evaluate/compression");
    second_ = context.open(config.checkpoint);
    boundary_id_ = second_.boundary_id;
    if (text_ && !second_.tokenizer)
      throw UserError("/evaluate/compression/checkpoint",
                      config.checkpoint +
                          " has no tokenizer, and the context is text; choose a "
                          "model that was trained on text");
    if (!text_ && (second_.tokenizer || second_.model->vocab_size() != answering_.vocab_size()))
      throw UserError("/evaluate/compression/checkpoint",
                      config.checkpoint +
                          " does not read the ids of this trial, which has no "
                          "text that both could share");
    tokenizer_ = second_.tokenizer.get();
  }

  Question compress(const Question& question, CompressionCost& cost) const override {
    if (config_.rate == 1) return question;
    const at::NoGradGuard no_grad;
    Question out = question;
    if (text_ && !question.context.empty())
      out.context = shorter_text(question.context, cost);
    else
      out.context_ids = shorter(question.context_ids, config_.rate, cost);
    out.hints.clear();  // of tokens that are no longer there
    return out;
  }

 private:
  const LanguageModel& model() const { return second_.model ? *second_.model : answering_; }

  std::vector<int64_t> ids_of(const std::string& text) const {
    const auto ids = tokenizer_->encode(text);
    return {ids.begin(), ids.end()};
  }

  std::string shorter_text(const std::string& context, CompressionCost& cost) const {
    std::string whole = context;
    double wanted = config_.rate * static_cast<double>(ids_of(context).size());
    if (!config_.separator.empty()) whole = parts_that_stay(context, wanted, cost);
    const std::vector<int64_t> ids = ids_of(whole);
    const double rate =
        std::min(1.0, wanted / static_cast<double>(std::max<size_t>(ids.size(), 1)));
    const std::vector<int64_t> stays = shorter(ids, rate, cost);
    return tokenizer_->text_of({stays.begin(), stays.end()});
  }

  /// Coarse: whole parts, in their order.
  std::string parts_that_stay(const std::string& context, double wanted,
                              CompressionCost& cost) const {
    std::vector<std::string> parts;
    for (size_t begin = 0; begin <= context.size();) {
      const size_t end = context.find(config_.separator, begin);
      parts.push_back(context.substr(begin, end - begin));
      if (end == std::string::npos) break;
      begin = end + config_.separator.size();
    }
    if (parts.size() == 1) return context;
    std::vector<double> surprise, n_tokens;
    for (const std::string& part : parts) {
      const std::vector<int64_t> ids = ids_of(part);
      n_tokens.push_back(static_cast<double>(ids.size()));
      if (ids.empty()) {
        surprise.push_back(-1);
        continue;
      }
      const auto each = Reader(model(), boundary_id_, cost).surprise(ids);
      surprise.push_back(std::accumulate(each.begin(), each.end(), 0.0) / n_tokens.back());
    }
    std::vector<size_t> order(parts.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return surprise[a] > surprise[b]; });
    std::vector<bool> stays(parts.size(), false);
    double sum = 0;
    for (const size_t i : order) {
      if (sum > 0 && sum + n_tokens[i] > config_.granularity.value_or(2) * wanted) continue;
      stays[i] = true;
      sum += n_tokens[i];
    }
    std::vector<std::string> chosen;
    for (size_t i = 0; i < parts.size(); ++i)
      if (stays[i]) chosen.push_back(parts[i]);
    return join(chosen, config_.separator);
  }

  /// Fine: tokens, segment by segment behind what stays of those before.
  std::vector<int64_t> shorter(const std::vector<int64_t>& ids, double rate,
                               CompressionCost& cost) const {
    if (ids.empty() || rate >= 1) return ids;
    std::vector<int64_t> out;
    Reader reader(model(), boundary_id_, cost);
    const auto length = static_cast<size_t>(config_.segment);
    for (size_t begin = 0; begin < ids.size(); begin += length) {
      const size_t end = std::min(begin + length, ids.size());
      const std::vector<int64_t> segment(ids.begin() + static_cast<int64_t>(begin),
                                         ids.begin() + static_cast<int64_t>(end));
      const auto total = static_cast<size_t>(std::llround(rate * static_cast<double>(end)));
      std::vector<int64_t> kept;
      for (const size_t i : largest(reader.surprise(segment), total - out.size()))
        kept.push_back(segment[i]);
      out.insert(out.end(), kept.begin(), kept.end());
      if (end < ids.size()) reader.read(kept);
    }
    return out;
  }

  Config config_;
  const LanguageModel& answering_;
  bool text_;
  SecondModel second_;
  const Tokenizer* tokenizer_ = nullptr;  ///< of the model that reads
  int64_t boundary_id_ = 0;
};

}  // namespace llmlingua

CompressionEntry llmlingua_compression() {
  auto entry = entry_of<CompressionEntry, llmlingua::Config, llmlingua::Llmlingua>(
      "llmlingua", "leaves out the tokens that a small model expected most", "arXiv:2310.05736");
  entry.resolve = [](const json& choice, const std::string& path) {
    auto config = read_settings<llmlingua::Config>(choice, path);
    llmlingua::settle_weights(config, path);
    json out = write_fields(config);
    out["type"] = "llmlingua";
    return out;
  };
  return entry;
}

}  // namespace sublab

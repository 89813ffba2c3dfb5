// The prompt stage of a task: ask, answer greedily in batches, score.
#include "experiments/tasks/prompted.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "core/error.h"
#include "core/schema/metrics.h"
#include "experiments/generate/generate_rows.h"
#include "experiments/text/text_data.h"

namespace sublab {
namespace prompted {

/// What the model reads: the ids as they are, or the boundary and the text.
std::vector<int64_t> input_of(const Question& question, const TaskContext& context,
                              const std::string& where) {
  std::vector<int64_t> out = question.context_ids;
  out.insert(out.end(), question.ids.begin(), question.ids.end());
  const std::string text = question.context + question.text;
  if (out.empty() && !text.empty()) {
    if (!context.text) throw UserError(where, "asks in text, but the trial has no tokenizer");
    const Tokenizer& tokenizer = context.text->tokenizer();
    out.push_back(tokenizer.boundary_id());
    for (const int32_t id : tokenizer.encode(text)) out.push_back(id);
  }
  if (out.size() < 2) throw UserError(where, "has a question of fewer than two tokens");
  return out;
}

/// A question as the model gets it.
struct Prompt {
  PromptRow row;
  int64_t declared_length = 0;
  bool cut = false;  ///< it was longer than its question may have read
};

/// What a request declares: the length that it was made for, or what its prompt and answer can come
/// to, rounded up to an eighth of its power of two, so that questions of about one length share a
/// batch. It depends on the question alone.
int64_t declared_length_of(const Question& question, int64_t n_tokens) {
  if (question.length >= n_tokens) return question.length;
  constexpr uint64_t kSteps = 8;
  const auto n = static_cast<uint64_t>(n_tokens);
  const uint64_t step = std::max<uint64_t>(1, std::bit_ceil(n) / 2 / kSteps);
  return static_cast<int64_t>((n + step - 1) / step * step);
}

Prompt prompt_of(const Question& question, const TaskContext& context, const std::string& where) {
  Prompt out;
  out.row.input = input_of(question, context, where);
  const size_t n_whole = out.row.input.size();
  out.row.input = cut_to_fit(std::move(out.row.input), question);
  out.cut = out.row.input.size() < n_whole;
  out.row.max_tokens = question.max_tokens;
  if (question.hints.size() == out.row.input.size()) out.row.hints = question.hints;
  out.declared_length = declared_length_of(
      question, static_cast<int64_t>(out.row.input.size()) + question.max_tokens);
  return out;
}

/// Questions that are answered together: by declared length, at most `batch` of them and, of
/// several, at most kTokensAtOnce tokens.
std::vector<std::vector<size_t>> batches_of(const std::vector<Prompt>& prompts, size_t batch) {
  constexpr int64_t kTokensAtOnce = 1 << 16;
  std::vector<size_t> order(prompts.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return prompts[a].declared_length < prompts[b].declared_length;
  });
  std::vector<std::vector<size_t>> out;
  for (const size_t i : order) {
    const int64_t length = prompts[i].declared_length;
    const bool fits = !out.empty() && out.back().size() < batch &&
                      prompts[out.back().front()].declared_length == length &&
                      static_cast<int64_t>(out.back().size() + 1) * length <= kTokensAtOnce;
    if (!fits) out.emplace_back();
    out.back().push_back(i);
  }
  return out;
}

std::vector<Answer> answers_to(const std::vector<Question>& questions, size_t batch,
                               const TaskContext& context, const std::string& where,
                               Activity& activity) {
  std::vector<Prompt> prompts;
  for (const Question& question : questions) prompts.push_back(prompt_of(question, context, where));
  RowsToContinue asked;
  if (context.text) asked.stop_ids.push_back(context.text->tokenizer().boundary_id());
  std::vector<Answer> out(questions.size());
  for (const std::vector<size_t>& together : batches_of(prompts, batch)) {
    asked.rows.clear();
    asked.declared_length = prompts[together.front()].declared_length;
    for (const size_t i : together) asked.rows.push_back(prompts[i].row);
    const auto made = continue_greedily(context.model, asked, activity);
    for (size_t b = 0; b < together.size(); ++b) {
      Answer& answer = out[together[b]];
      answer.ids = made[b];
      answer.cut = prompts[together[b]].cut;
      answer.n_read = static_cast<int64_t>(asked.rows[b].input.size());
      if (context.text)
        answer.text = context.text->tokenizer().decode({answer.ids.begin(), answer.ids.end()});
    }
  }
  return out;
}

/// Tokens of the part that may be shortened.
double context_tokens(const Question& question, const TaskContext& context) {
  if (question.context.empty() || !context.text)
    return static_cast<double>(question.context_ids.size());
  return static_cast<double>(context.text->tokenizer().encode(question.context).size());
}

/// Leaves what is to be shortened: text in a trial that has a tokenizer, else ids.
void leave_one_form(Question& question, bool text) {
  if (question.context.empty() || question.context_ids.empty()) return;
  if (text)
    question.context_ids.clear(), question.ids.clear(), question.hints.clear();
  else
    question.context.clear(), question.text.clear();
}

void add_empty_answers(const std::vector<Answer>& answers, Evaluation& out) {
  const auto n = std::count_if(answers.begin(), answers.end(), is_empty);
  if (!answers.empty())
    out.add(metric::kEmptyAnswers, static_cast<double>(n) / static_cast<double>(answers.size()),
            {{"n", answers.size()}});
}

}  // namespace prompted

bool is_empty(const Answer& answer) {
  if (answer.ids.empty()) return true;
  return !answer.text.empty() && answer.text.find_first_not_of(" \t\r\n") == std::string::npos;
}

void run_task(const TaskEntry& task, const json& entry, const TaskContext& context, Evaluation& out,
              const PromptCompressor* compressor) {
  json resolved = entry;  // the task's own settings
  resolved.erase(condition::kCompression);
  resolved.erase(condition::kBatch);
  if (!task.has_prompts()) return task.evaluate(resolved, context, out);
  const auto batch = static_cast<size_t>(entry.value(condition::kBatch, int64_t{1}));
  std::vector<Question> questions = task.prompt.ask(resolved, context);
  const bool shortened = out.about().conditions.contains(condition::kCompression);
  const bool rewrites = compressor && (!entry.contains(condition::kCompression) ||
                                       is_compressed(entry[condition::kCompression]));
  CompressionCost cost;
  double before = 0, after = 0;
  for (Question& question : questions) {
    if (rewrites) prompted::leave_one_form(question, context.text != nullptr);
    if (shortened) before += prompted::context_tokens(question, context);
    if (compressor) question = compressor->compress(question, cost);
    if (shortened) after += prompted::context_tokens(question, context);
  }
  const std::vector<Answer> answers =
      prompted::answers_to(questions, batch, context, "task " + task.name, out.activity());
  task.prompt.score(resolved, context, questions, answers, out);
  prompted::add_empty_answers(answers, out);
  if (!shortened) return;
  out.add(metric::kContextKept, before > 0 ? after / before : 1);
  out.add(metric::kCompressionTokens, cost.tokens_read);
  out.add(metric::kCompressionFlops, cost.flops);
}

}  // namespace sublab

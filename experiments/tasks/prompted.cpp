// The prompt stage of a task: ask, generate greedily, score.
#include "experiments/tasks/prompted.h"

#include "core/error.h"
#include "core/schema/metrics.h"
#include "experiments/generate/generate.h"
#include "experiments/text/text_data.h"

namespace sublab {
namespace prompted {

/// What the model reads: the boundary and the text, or the ids as they are.
std::vector<int64_t> input_of(const Question& question, const TaskContext& context,
                              const std::string& where) {
  std::vector<int64_t> out = question.context_ids;
  out.insert(out.end(), question.ids.begin(), question.ids.end());
  const std::string text = question.context + question.text;
  if (!text.empty() && !out.empty()) throw UserError(where, "has a question of both text and ids");
  if (!text.empty() && !context.text)
    throw UserError(where, "asks in text, but the trial has no tokenizer");
  if (text.empty()) return out;
  const Tokenizer& tokenizer = context.text->tokenizer();
  out.push_back(tokenizer.boundary_id());
  for (const int32_t id : tokenizer.encode(text)) out.push_back(id);
  return out;
}

Answer answer(const Question& question, const TaskContext& context, const std::string& where,
              Activity& activity) {
  const std::vector<int64_t> input = input_of(question, context, where);
  if (input.size() < 2) throw UserError(where, "has a question of fewer than two tokens");
  std::vector<int64_t> stop_ids;
  if (context.text) stop_ids.push_back(context.text->tokenizer().boundary_id());
  GenerateConfig config;  // greedy
  config.max_tokens = question.max_tokens;
  const Generated made = generate(context.model, {input.begin() + 1, input.end()}, input.front(),
                                  stop_ids, config, [](int64_t) {});
  activity.add(made.activity);
  Answer out;
  out.ids = made.ids;
  out.n_read = static_cast<int64_t>(input.size());
  if (context.text) out.text = context.text->tokenizer().decode({made.ids.begin(), made.ids.end()});
  return out;
}

/// Tokens of the part that may be shortened.
double context_tokens(const Question& question, const TaskContext& context) {
  if (question.context.empty() || !context.text)
    return static_cast<double>(question.context_ids.size());
  return static_cast<double>(context.text->tokenizer().encode(question.context).size());
}

}  // namespace prompted

void run_task(const TaskEntry& task, const json& entry, const TaskContext& context, Evaluation& out,
              const PromptCompressor* compressor) {
  json resolved = entry;  // the task's own settings
  resolved.erase(condition::kCompression);
  if (!task.has_prompts()) return task.evaluate(resolved, context, out);
  const std::string where = "task " + task.name;
  std::vector<Question> questions = task.prompt.ask(resolved, context);
  std::vector<Answer> answers;
  CompressionCost cost;
  double before = 0, after = 0;
  for (Question& question : questions) {
    before += prompted::context_tokens(question, context);
    if (compressor) question = compressor->compress(question, cost);
    after += prompted::context_tokens(question, context);
    answers.push_back(prompted::answer(question, context, where, out.activity()));
  }
  task.prompt.score(resolved, context, questions, answers, out);
  if (!out.about().conditions.contains(condition::kCompression)) return;
  out.add(metric::kContextKept, before > 0 ? after / before : 1);
  out.add(metric::kCompressionTokens, cost.tokens_read);
  out.add(metric::kCompressionFlops, cost.flops);
}

}  // namespace sublab

// Training rows of a task's prompts.
#include "data/tasks/context_task.h"

namespace sublab {

bool wants_essay(const json& own) { return own.value("haystack", "") == "essay"; }

Prompt make_prompt(const PromptMaker& maker, RandomSequence& random, const PromptShape& shape,
                   const std::string& task, const std::string& path) {
  try {
    return maker.make(random, shape);
  } catch (const DoesNotFit& problem) {
    throw UserError(path, std::to_string(shape.length) + " tokens hold no prompt of " + task +
                              " with its answer; that takes " +
                              std::to_string(problem.least_length));
  }
}

PromptRows::PromptRows(const ContextTask& task, const json& own, int64_t length, uint64_t seed)
    : name_(task.name),
      vocabulary_(task.vocabulary()),
      maker_(task.maker(own, {*vocabulary_})),
      length_(length),
      key_(stream_key(seed, task.name + "/train")) {}

TokenRow PromptRows::row(int64_t index) const {
  RandomSequence random(mix_bits(key_ ^ static_cast<uint64_t>(index)));
  // One more, since the last token is only predicted.
  const PromptShape shape{.length = length_ + 1, .answer_room = 0, .depth = random.uniform()};
  Prompt prompt = make_prompt(*maker_, random, shape, name_, "/data/context_len");
  TokenRow out;
  out.tokens = std::move(prompt.ids);
  out.hints = std::move(prompt.hints);
  out.labels.assign(out.tokens.size() - 1, TokenRow::kIgnoredLabel);
  out.labels.insert(out.labels.end(), prompt.answer_ids.begin(), prompt.answer_ids.end());
  out.tokens.insert(out.tokens.end(), prompt.answer_ids.begin(), prompt.answer_ids.end() - 1);
  out.hints.resize(out.tokens.size(), 1);
  out.lengths = {static_cast<int64_t>(out.tokens.size())};
  for (size_t i = 0; i < out.tokens.size(); ++i) out.positions.push_back(static_cast<int64_t>(i));
  return out;
}

namespace context_task_rows {

/// Throws UserError where a row of `context_len` tokens holds no prompt with its answer.
void check_rows(const ContextTask& task, const json& own, int64_t context_len,
                const std::string& path) {
  const auto vocabulary = task.vocabulary();
  const auto maker = task.maker(own, {*vocabulary});
  RandomSequence random(1, task.name + "/check");
  for (int i = 0; i < 16; ++i)  // some differ in length
    try {
      maker->make(random, {.length = context_len + 1});
    } catch (const DoesNotFit& problem) {
      throw UserError(path, "data.context_len " + std::to_string(context_len) +
                                " holds no prompt of " + task.name +
                                " with its answer; that takes " +
                                std::to_string(problem.least_length - 1));
    }
}

}  // namespace context_task_rows

RowMaker context_rows(const ContextTask& task) {
  RowMaker maker;
  static_cast<EntryFacts&>(maker) = task;
  maker.summary = "prompts and answers: " + task.summary;
  maker.gives_hints = true;
  const auto own_of = [](json given) {
    given.erase("task");
    return given;
  };
  maker.resolve = [task, own_of](const json& given, const std::string& path, int64_t context_len) {
    json out = task.resolve(own_of(given), path);
    if (wants_essay(out))
      throw UserError(path + "/haystack",
                      "'essay' is the text of a trial, and rows of a task have none; allowed: "
                      "noise, needles");
    context_task_rows::check_rows(task, out, context_len, path);
    out["task"] = task.name;
    return out;
  };
  maker.rows = [task, own_of](const json& resolved, int64_t context_len, uint64_t seed) {
    return std::make_unique<PromptRows>(task, own_of(resolved), context_len, seed);
  };
  return maker;
}

}  // namespace sublab

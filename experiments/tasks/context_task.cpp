// A grid of lengths and depths becomes prompts, and answers become numbers.
#include "experiments/tasks/context_task.h"

#include <map>

#include "core/schema/metrics.h"
#include "data/tasks/grid.h"
#include "experiments/tasks/graded.h"
#include "experiments/text/text_data.h"

namespace sublab {
namespace asked_context {

/// What an entry says beside the task's own settings.
struct Asked {
  std::string task;
  LengthDepthGrid grid;
  LengthOnlyGrid lengths;
  int64_t max_tokens = 0;
  bool has_depth = true;

  template <class F>
  void fields(F& f) {
    f("task", task, "the task's name");
    if (has_depth)
      grid.fields(f);
    else
      lengths.fields(f);
    f("max_tokens", max_tokens,
      "room of an answer; 0 = as the task was published in text, or what the right answer takes if "
      "that is more or the vocabulary is the task's own",
      within(0, 1 << 16));
  }
  void resolve(const std::string& path, int64_t context_len) {
    if (has_depth)
      grid.resolve(path, context_len);
    else
      lengths.resolve(path, context_len);
  }
  const std::vector<int64_t>& all_lengths() const {
    return has_depth ? grid.lengths : lengths.lengths;
  }
};

std::vector<std::string> names_of(const std::vector<FieldHelp>& fields) {
  std::vector<std::string> out;
  for (const FieldHelp& field : fields) out.push_back(field.name);
  return out;
}

std::vector<FieldHelp> describe(const ContextTask& task) {
  Asked asked;
  asked.has_depth = task.has_depth;
  fields_detail::Describer describer;
  asked.fields(describer);
  std::vector<FieldHelp> out = describer.lines;
  for (const FieldHelp& field : task.describe()) out.push_back(field);
  return out;
}

/// The parts of an entry that `read` and the task's own settings have.
struct Parts {
  Asked asked;
  json own = json::object();
};

Parts split(const ContextTask& task, const json& given, const std::string& path) {
  fields_detail::check_keys(given, path, names_of(describe(task)));
  Parts out;
  out.asked.has_depth = task.has_depth;
  out.own = given;
  json grid = json::object();
  fields_detail::Writer writer;
  out.asked.fields(writer);
  for (const auto& [key, value] : writer.object.items())
    if (given.contains(key)) grid[key] = given[key], out.own.erase(key);
  read_fields(grid, path, out.asked);
  return out;
}

json whole(const Parts& parts) {
  json out = write_fields(parts.asked);
  out.update(parts.own);
  return out;
}

bool is_own(const ContextTask& task, const DataConfig& data) {
  return data.train_task() == task.name;
}

void check_data(const ContextTask& task, const DataConfig& data, const json& own,
                const std::string& path) {
  const bool trains = task.vocabulary && is_own(task, data);
  if (!data.on_text() && !trains)
    throw UserError(path, task.name + " is asked in text" +
                              (task.vocabulary ? ", or in a trial with data.train_on " + task.name
                                               : std::string()) +
                              "; here data.train_on is '" + data.train_task() + "'");
  if (wants_essay(own) && !data.on_text())
    throw UserError(path + "/haystack",
                    "'essay' is held-out text, and a trial with data.train_on " + task.name +
                        " has none; set another");
}

int64_t answer_room(const ContextTask& task, const Asked& asked, bool in_text) {
  return asked.max_tokens > 0 ? asked.max_tokens : in_text ? task.answer_tokens : 0;
}

/// Throws UserError where a length holds no prompt; a tokenizer that is not known before training
/// is left to the trial.
void check_lengths(const ContextTask& task, const Parts& parts, const DataConfig& data,
                   const std::string& path) {
  if (data.on_text() && data.tokenizer != "bytes") return;
  const std::unique_ptr<Tokenizer> tokenizer =
      data.on_text() ? bytes_tokenizer() : task.vocabulary();
  const auto maker = task.maker(parts.own, {*tokenizer, {"A sentence."}});
  const auto& lengths = parts.asked.all_lengths();
  for (size_t i = 0; i < lengths.size(); ++i) {
    RandomSequence random(1, task.name + "/check");
    make_prompt(
        *maker, random,
        {.length = lengths[i], .answer_room = answer_room(task, parts.asked, data.on_text())},
        task.name, path + "/lengths/" + std::to_string(i));
  }
}

json resolve(const ContextTask& task, const json& given, const std::string& path,
             const DataConfig& data) {
  json filled = given;
  if (is_own(task, data))  // asks what was taught where it does not say otherwise
    for (const auto& [key, value] : data.train_on.items())
      if (!filled.contains(key)) filled[key] = value;
  Parts parts = split(task, filled, path);
  parts.own = task.resolve(parts.own, path);
  parts.asked.resolve(path, data.context_len);
  check_data(task, data, parts.own, path);
  check_lengths(task, parts, data, path);
  return whole(parts);
}

/// Sentences of the first validation documents, about `n_tokens` of them.
std::vector<std::string> essay_of(const TextData& text, int64_t n_tokens) {
  const TokenShard& shard = text.split(sublab::Split::validation);
  std::vector<std::string> out;
  int64_t n = 0;
  for (int64_t d = 0; d < shard.n_documents() && n < n_tokens; ++d) {
    const std::vector<int64_t> ids = TextData::ids(shard, d);
    n += static_cast<int64_t>(ids.size());
    const std::string document =
        text.tokenizer().text_of(std::vector<int32_t>(ids.begin(), ids.end()));
    for (size_t at = 0; at < document.size();) {
      size_t end = document.find(". ", at);
      end = end == std::string::npos ? document.size() : end + 1;
      out.push_back(document.substr(at, end - at));
      at = end;
    }
  }
  return out;
}

/// The tokenizer that a trial's prompts are written for.
class Writing {
 public:
  Writing(const ContextTask& task, const TaskContext& context)
      : own_(context.text ? nullptr : task.vocabulary()),
        tokenizer_(context.text ? context.text->tokenizer() : *own_) {}
  const Tokenizer& tokenizer() const { return tokenizer_; }

 private:
  std::unique_ptr<Tokenizer> own_;
  const Tokenizer& tokenizer_;
};

Question question_of(const Prompt& prompt, int64_t length) {
  Question out;
  out.context = prompt.context, out.text = prompt.question;
  const auto border = prompt.ids.begin() + static_cast<std::ptrdiff_t>(prompt.n_context);
  out.context_ids.assign(prompt.ids.begin(), border);
  out.ids.assign(border, prompt.ids.end());
  out.hints = prompt.hints;
  out.max_tokens = prompt.max_tokens;
  out.references = prompt.references;
  out.length = length;
  out.depth = prompt.depth;
  out.answer_place = prompt.answer_place;
  return out;
}

std::vector<Question> ask(const ContextTask& task, const json& resolved,
                          const TaskContext& context) {
  const Parts parts = split(task, resolved, "/evaluate");
  const Writing writing(task, context);
  PromptMaterial material{writing.tokenizer()};
  const auto& lengths = parts.asked.all_lengths();
  if (wants_essay(parts.own))
    material.essay = essay_of(*context.text, 4 * *std::max_element(lengths.begin(), lengths.end()));
  if (wants_essay(parts.own) && material.essay.empty())
    throw UserError("task " + task.name, "the validation split holds no text to hide things in");
  const auto maker = task.maker(parts.own, material);
  const bool in_text = context.text != nullptr;
  const auto& grid = parts.asked;
  const std::vector<double> depths = grid.has_depth ? grid.grid.depths : std::vector<double>{50};
  const int64_t n = grid.has_depth ? grid.grid.n_per_cell : grid.lengths.n_per_length;
  std::vector<Question> out;
  for (const int64_t length : lengths)
    for (size_t d = 0; d < depths.size(); ++d)
      for (int64_t i = 0; i < n; ++i) {
        RandomSequence random(stream_key(static_cast<uint64_t>(context.seed),
                                         task.name + "/evaluate", static_cast<uint64_t>(length),
                                         d * static_cast<uint64_t>(n) + static_cast<uint64_t>(i)));
        const PromptShape shape{.length = length,
                                .answer_room = answer_room(task, grid, in_text),
                                .depth = depths[d] / 100};
        Prompt prompt = make_prompt(*maker, random, shape, task.name, "task " + task.name);
        if (grid.has_depth) prompt.depth = shape.depth;
        out.push_back(question_of(prompt, length));
      }
  return out;
}

/// Tokens of the right answer that stand in the given one at their place: of questions that have
/// one right answer.
std::optional<double> token_accuracy(const std::vector<Question>& questions,
                                     const std::vector<Answer>& answers,
                                     const Tokenizer& tokenizer) {
  const PieceEncoder encoder(tokenizer);
  double right = 0, all = 0;
  for (size_t i = 0; i < answers.size(); ++i) {
    if (questions[i].references.size() != 1) return std::nullopt;
    const auto wanted = encoder.ids(" " + questions[i].references.front());
    for (size_t t = 0; t < wanted.size(); ++t)
      right += t < answers[i].ids.size() && answers[i].ids[t] == wanted[t];
    all += static_cast<double>(wanted.size());
  }
  return all > 0 ? std::optional(right / all) : std::nullopt;
}

void score(const ContextTask& task, const json& resolved, const TaskContext& context,
           const std::vector<Question>& questions, std::vector<Answer> answers, Evaluation& out) {
  const Parts parts = split(task, resolved, "/evaluate");
  const Writing writing(task, context);
  std::vector<Grade> grades;
  std::map<std::string, double> more;
  for (size_t i = 0; i < answers.size(); ++i) {
    if (!context.text)
      answers[i].text = writing.tokenizer().decode({answers[i].ids.begin(), answers[i].ids.end()});
    const auto& references = questions[i].references;
    grades.push_back({.right = task.score(references, answers[i].text), .asked = 1});
    if (task.more_scores)
      for (const NamedScore& each : task.more_scores(references, answers[i].text))
        more[each.name] += each.value / static_cast<double>(answers.size());
  }
  PromptMaterial material{writing.tokenizer(), {"A sentence."}};
  add_grades(questions, answers, grades, task.maker(parts.own, material)->chance(), out);
  for (const auto& [name, value] : more) out.add(name, value, {{"n", answers.size()}});
  if (const auto tokens = token_accuracy(questions, answers, writing.tokenizer()))
    out.add(metric::kAnswerTokens, tokens, {{"n", answers.size()}});
}

}  // namespace asked_context

TaskEntry asks(const ContextTask& task) {
  TaskEntry entry;
  static_cast<EntryFacts&>(entry) = task;
  entry.describe = [task] { return asked_context::describe(task); };
  entry.resolve = [task](const json& given, const std::string& path, const DataConfig& data) {
    return asked_context::resolve(task, given, path, data);
  };
  entry.prompt.ask = [task](const json& resolved, const TaskContext& context) {
    return asked_context::ask(task, resolved, context);
  };
  entry.prompt.score = [task](const json& resolved, const TaskContext& context,
                              const std::vector<Question>& questions,
                              const std::vector<Answer>& answers, Evaluation& out) {
    asked_context::score(task, resolved, context, questions, answers, out);
  };
  return entry;
}

}  // namespace sublab

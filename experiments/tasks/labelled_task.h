// Asks rows whose labels are the questions (data/tasks/labelled_rows.h), at several lengths.
#pragma once

#include <functional>
#include <memory>

#include "data/tasks/grid.h"
#include "data/tasks/labelled_maker.h"
#include "experiments/tasks/task.h"
#include "experiments/train/step.h"

namespace sublab {

/// What is asked of a model by labels.
struct LabelledQuestions {
  std::vector<int64_t> lengths;
  int64_t n_rows = 256;  ///< of each length
  double chance = 0;
  std::function<std::unique_ptr<LabelledRows>(int64_t length)> rows;
};

/// Reads all rows and adds accuracy over all labels, by length, over whole rows (all labels of a
/// row right), the arrays of answers, the map by length and depth, and what selection kept by role.
void ask_labels(const LabelledQuestions& questions, const TaskContext& context, Evaluation& out);

/// Rows `first` ... of `source` in passes of at most 64 rows and some thousand tokens; `each` gets
/// the row's number, its place in the pass, and the guesses behind its tokens. Nothing of the
/// square of a length is made.
void for_labelled_rows(
    const RowSource& source, int64_t n_rows, const LanguageModel& model, const Run& run,
    const std::function<void(int64_t index, int64_t place, const int64_t* guesses)>& each);

/// An entry's settings: those of the rows, those of data.train_on where it leaves them open, and a
/// grid.
template <class Settings>
struct AskedRows {
  std::string task;
  LengthGrid grid;
  int64_t n_rows = 256;
  Settings own;

  template <class F>
  void fields(F& f) {
    f("task", task, "the task's name");
    grid.fields(f);
    f("n_rows", n_rows, "rows of each length", within(1, 1 << 20));
    own.fields(f);
  }
};

template <class Settings, class Rows>
json resolve_labelled(const std::string& name, json given, const std::string& path,
                      const DataConfig& data) {
  if (data.train_task() != name)
    throw UserError(path, name + " needs a trial with data.train_on " + name +
                              " (its own symbols), not '" + data.train_task() + "'");
  for (const auto& [key, value] : data.train_on.items())
    if (!given.contains(key)) given[key] = value;
  AskedRows<Settings> asked;
  read_fields(given, path, asked);
  const int64_t trained = data.train_on.at("n_symbols");
  if (asked.own.n_symbols != trained)
    throw UserError(path + "/n_symbols", std::to_string(asked.own.n_symbols) +
                                             " symbols are asked for, but the trial has " +
                                             std::to_string(trained));
  asked.grid.resolve(path, data.context_len);
  const auto& lengths = asked.grid.lengths;
  for (size_t i = 0; i < lengths.size(); ++i)
    check_row_length<Settings, Rows>(asked.own, lengths[i], "a length of",
                                     path + "/lengths/" + std::to_string(i));
  return write_fields(asked);
}

/// The task of `Rows`; `chance` follows from its settings.
template <class Settings, class Rows>
TaskEntry labelled_task(const std::string& name, const std::string& summary,
                        const std::string& source, double (*chance)(const Settings&)) {
  TaskEntry entry;
  entry.name = name;
  entry.summary = summary;
  entry.source = source;
  entry.describe = [] { return describe_fields<AskedRows<Settings>>(); };
  entry.resolve = [name](const json& given, const std::string& path, const DataConfig& data) {
    return resolve_labelled<Settings, Rows>(name, given, path, data);
  };
  entry.evaluate = [name, chance](const json& resolved, const TaskContext& context,
                                  Evaluation& out) {
    AskedRows<Settings> asked;
    read_fields(resolved, "/evaluate", asked);
    const auto rows = [&](int64_t length) {
      return std::make_unique<Rows>(asked.own, length, static_cast<uint64_t>(context.seed),
                                    name + "/evaluate");
    };
    ask_labels({asked.grid.lengths, asked.n_rows, chance(asked.own), rows}, context, out);
  };
  entry.examples = {{"", {{"n_rows", 16}}}};
  return entry;
}

}  // namespace sublab

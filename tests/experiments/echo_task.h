// A task that asks in ids what comes after a context, whatever that is.
#pragma once

#include "experiments/tasks/task.h"

namespace sublab {

struct EchoConfig {
  std::string task = "echo";
  int64_t n = 2;

  template <class F>
  void fields(F& f) {
    f("task", task, "echo", one_of({"echo"}));
    f("n", n, "questions", within(1, 100));
  }
};

/// Asks in ids what comes after a context of sixteen. Its score is what was read and said.
inline TaskEntry echo_task() {
  TaskEntry entry;
  entry.name = "echo";
  entry.summary = "what comes after a context";
  entry.source = "sketch";
  entry.describe = [] { return describe_fields<EchoConfig>(); };
  entry.resolve = [](const json& given, const std::string& path, const DataConfig&) {
    EchoConfig config;
    read_fields(given, path, config);
    return write_fields(config);
  };
  entry.prompt.ask = [](const json& resolved, const TaskContext&) {
    std::vector<Question> out;
    for (int64_t i = 0; i < resolved.at("n").get<int64_t>(); ++i) {
      Question question;
      for (int64_t t = 0; t < 16; ++t) question.context_ids.push_back((7 * t + i) % 64);
      question.ids = {3, 5};
      question.max_tokens = 4;
      out.push_back(question);
    }
    return out;
  };
  entry.prompt.score = [](const json&, const TaskContext&, const std::vector<Question>&,
                          const std::vector<Answer>& answers, Evaluation& out) {
    double read = 0, said = 0;
    for (const Answer& answer : answers) {
      read += static_cast<double>(answer.n_read);
      said += static_cast<double>(answer.ids.size());
    }
    out.add("echo_read", read);
    out.add("echo_said", said);
  };
  return entry;
}

}  // namespace sublab

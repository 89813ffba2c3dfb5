// The entries of tasks over long contexts, whose definitions are data/tasks'.
#include "data/tasks/context_tasks.h"

#include "data/tasks/induction_rows.h"
#include "data/tasks/selective_copy_rows.h"
#include "experiments/tasks/context_task.h"
#include "experiments/tasks/labelled_task.h"

namespace sublab {
namespace context_tasks {

/// What tests and goldens ask in bytes: few questions, short answers.
TaskEntry with_example(TaskEntry entry, int64_t length, json more = json::object()) {
  more.update({{"lengths", {length}}, {"max_tokens", 8}});
  entry.examples = {{"", std::move(more)}};
  return entry;
}

const json kOneCell = {{"depths", {50}}, {"n_per_cell", 2}};
const json kTwoRows = {{"n_per_length", 2}};

}  // namespace context_tasks

using context_tasks::kOneCell;
using context_tasks::kTwoRows;
using context_tasks::with_example;

TaskEntry passkey_task() { return with_example(asks(passkey_context_task()), 384, kOneCell); }
TaskEntry needle_task() {
  json more = kOneCell;
  more["haystack"] = "noise";
  return with_example(asks(needle_context_task()), 512, more);
}
TaskEntry ruler_niah_single_task() {
  return with_example(asks(ruler_niah_single_context_task()), 512, kOneCell);
}
TaskEntry ruler_niah_multikey_task() {
  return with_example(asks(ruler_niah_multikey_context_task()), 768, kOneCell);
}
TaskEntry ruler_niah_multivalue_task() {
  return with_example(asks(ruler_niah_multivalue_context_task()), 768, kTwoRows);
}
TaskEntry ruler_niah_multiquery_task() {
  return with_example(asks(ruler_niah_multiquery_context_task()), 896, kTwoRows);
}
TaskEntry ruler_vt_task() { return with_example(asks(ruler_vt_context_task()), 640, kTwoRows); }
TaskEntry ruler_cwe_task() {
  json more = kTwoRows;
  more.update({{"n_common", 2}, {"common_times", 4}, {"other_times", 1}});
  return with_example(asks(ruler_cwe_context_task()), 640, more);
}
TaskEntry ruler_fwe_task() { return with_example(asks(ruler_fwe_context_task()), 1280, kTwoRows); }

RowMaker passkey_rows_maker() { return context_rows(passkey_context_task()); }
RowMaker ruler_niah_single_rows_maker() { return context_rows(ruler_niah_single_context_task()); }
RowMaker ruler_niah_multikey_rows_maker() {
  return context_rows(ruler_niah_multikey_context_task());
}
RowMaker ruler_niah_multivalue_rows_maker() {
  return context_rows(ruler_niah_multivalue_context_task());
}
RowMaker ruler_niah_multiquery_rows_maker() {
  return context_rows(ruler_niah_multiquery_context_task());
}
RowMaker ruler_vt_rows_maker() { return context_rows(ruler_vt_context_task()); }
RowMaker ruler_cwe_rows_maker() { return context_rows(ruler_cwe_context_task()); }
RowMaker ruler_fwe_rows_maker() { return context_rows(ruler_fwe_context_task()); }

TaskEntry induction_task() {
  return labelled_task<InductionSettings, InductionRows>(
      "induction", "say what stood behind a special symbol", "arXiv:2312.00752",
      [](const InductionSettings& own) { return 1.0 / static_cast<double>(own.n_symbols); });
}

TaskEntry selective_copy_task() {
  return labelled_task<SelectiveCopySettings, SelectiveCopyRows>(
      "selective_copy", "say the symbols that stood among noise, in their order",
      "arXiv:2312.00752", [](const SelectiveCopySettings& own) {
        return 1.0 / static_cast<double>(own.n_symbols - 2);
      });
}

}  // namespace sublab

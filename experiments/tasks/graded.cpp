// Accuracy over all questions, by length, by length and depth; and the questions themselves.
#include "experiments/tasks/graded.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/hash.h"
#include "core/random.h"
#include "core/schema/arrays.h"
#include "core/schema/metrics.h"
#include "experiments/tasks/prompted.h"

namespace sublab {
namespace graded {

constexpr size_t kShownBytes = 200, kShownIds = 32;  // of each end of a prompt in a sample

/// Beginning and end, or all of it where that is hardly more.
json shown(const std::string& text) {
  if (text.size() <= 2 * kShownBytes) return text;
  return {text.substr(0, kShownBytes), text.substr(text.size() - kShownBytes)};
}

json shown(const std::vector<int64_t>& ids) {
  if (ids.size() <= 2 * kShownIds) return ids;
  return {std::vector<int64_t>(ids.begin(), ids.begin() + kShownIds),
          std::vector<int64_t>(ids.end() - kShownIds, ids.end())};
}

std::vector<int64_t> ids_of(const Question& question) {
  std::vector<int64_t> out = question.context_ids;
  out.insert(out.end(), question.ids.begin(), question.ids.end());
  return out;
}

/// By which two models' answers are paired.
uint64_t key_of(const Question& question) {
  uint64_t key = stream_key(0, question.context + question.text);
  for (const int64_t id : ids_of(question)) key = mix_bits(key ^ static_cast<uint64_t>(id));
  return key;
}

struct Cell {
  double right = 0, asked = 0;
  void add(const Grade& grade) { right += grade.right / grade.asked, asked += 1; }
};

/// Rows of the map: the depths themselves where there are few, else the middles of tenths.
std::vector<double> depth_rows(const std::vector<Question>& questions) {
  constexpr size_t kMostDepths = 21;
  std::set<double> own;
  for (const Question& question : questions)
    if (question.depth >= 0) own.insert(question.depth);
  if (own.size() <= kMostDepths) return {own.begin(), own.end()};
  std::vector<double> tenths;
  for (int tenth = 0; tenth < 10; ++tenth) tenths.push_back((tenth + 0.5) / 10);
  return tenths;
}

size_t nearest(const std::vector<double>& values, double to) {
  size_t out = 0;
  for (size_t i = 1; i < values.size(); ++i)
    if (std::abs(values[i] - to) < std::abs(values[out] - to)) out = i;
  return out;
}

/// Nothing where no question knows its length and depth.
void add_map(const std::vector<Question>& questions, const std::vector<Grade>& grades,
             Evaluation& out) {
  const std::vector<double> depths = depth_rows(questions);
  std::map<int64_t, std::vector<Cell>> cells;
  for (size_t i = 0; i < questions.size(); ++i) {
    if (questions[i].length <= 0 || questions[i].depth < 0) continue;
    auto& row = cells.try_emplace(questions[i].length, depths.size()).first->second;
    row[nearest(depths, questions[i].depth)].add(grades[i]);
  }
  if (cells.empty()) return;
  std::vector<double> values;
  for (const auto& [length, row] : cells)
    for (size_t d = 0; d < depths.size(); ++d)
      values.insert(values.end(),
                    {static_cast<double>(length), depths[d], row[d].right, row[d].asked});
  out.add_array(array::kByLengthDepth, values,
                {static_cast<int64_t>(cells.size()), static_cast<int64_t>(depths.size()),
                 array::kLengthDepthColumns});
}

}  // namespace graded

json sample_of(const Question& question, const Answer& answer, const Grade& grade) {
  json out = {{"read", answer.n_read}, {"right", grade.right}, {"asked", grade.asked}};
  const std::string text = question.context + question.text;
  if (!text.empty())
    out["prompt"] = graded::shown(text);
  else
    out["prompt_ids"] = graded::shown(graded::ids_of(question));
  if (answer.text.empty())
    out["answer_ids"] = answer.ids;
  else
    out["answer"] = answer.text;
  out["references"] = question.references;
  if (question.length > 0) out["length"] = question.length;
  if (question.depth >= 0) out["depth"] = question.depth;
  if (question.answer_place >= 0) out["answer_place"] = question.answer_place;
  return out;
}

void add_grades(const std::vector<Question>& questions, const std::vector<Answer>& answers,
                const std::vector<Grade>& grades, double chance, Evaluation& out) {
  if (questions.size() != answers.size() || grades.size() != answers.size())
    throw std::logic_error("every question has one answer and one grade");
  graded::Cell all;
  std::map<int64_t, graded::Cell> by_length;
  std::vector<double> counts;
  std::vector<uint64_t> keys;
  std::vector<json> samples;
  for (size_t i = 0; i < grades.size(); ++i) {
    all.add(grades[i]);
    if (questions[i].length > 0) by_length[questions[i].length].add(grades[i]);
    counts.insert(counts.end(), {grades[i].right / grades[i].asked, 1});  // each weighs the same
    keys.push_back(graded::key_of(questions[i]));
    samples.push_back(sample_of(questions[i], answers[i], grades[i]));
  }
  const std::string& task = out.about().task;
  const auto n = static_cast<int64_t>(grades.size());
  const auto n_empty = std::count_if(answers.begin(), answers.end(), is_empty);
  out.add(metric::accuracy_of(task), n > 0 ? std::optional(all.right / all.asked) : std::nullopt,
          {{condition::kChance, chance},
           {"n", n},
           {condition::kRows, n},
           {condition::kEmpty, n_empty}});
  for (const auto& [length, cell] : by_length)
    out.add(metric::accuracy_by_length_of(task), cell.right / cell.asked,
            {{condition::kContext, length},
             {condition::kChance, chance},
             {"n", cell.asked},
             {condition::kRows, cell.asked}});
  graded::add_map(questions, grades, out);
  out.add_array(array::kAnswers, counts, {n, array::kAnswerColumns});
  out.add_array(array::kAnswerKeys, keys, {n});
  out.add_samples(samples);
}

}  // namespace sublab

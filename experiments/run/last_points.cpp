// Results shortly before the end of training (experiments/run/last_points.h).
#include "experiments/run/last_points.h"

#include <algorithm>
#include <cmath>

#include "core/schema/arrays.h"
#include "core/schema/metrics.h"

namespace sublab {
namespace last_points {

/// The number that variants are compared by: the loss, else the first accuracy.
const Metric* headline(const Evaluation& evaluation) {
  const auto& all = evaluation.metrics();
  const auto is_loss = [](const Metric& metric) { return metric.name == metric::kLossNats; };
  auto found = std::find_if(all.begin(), all.end(), is_loss);
  if (found == all.end())
    found = std::find_if(all.begin(), all.end(),
                         [](const Metric& metric) { return metric::is_accuracy(metric.name); });
  return found == all.end() || !found->value ? nullptr : &*found;
}

double standard_deviation(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  for (const double value : values) squares += (value - sum / n) * (value - sum / n);
  return std::sqrt(squares / (n - 1));
}

}  // namespace last_points

LastPoints::LastPoints(const TrialConfig& config, int64_t n_steps)
    : n_steps_(n_steps),
      spacing_(std::max<int64_t>(1, std::llround(kPointSpacing * static_cast<double>(n_steps)))),
      found_(config.evaluate.size()) {
  for (const json& entry : config.evaluate)
    n_points_.push_back(entry.value(condition::kLastPoints, int64_t{0}));
}

bool LastPoints::is_due(size_t entry, int64_t n_done) const {
  const int64_t before = n_steps_ - n_done;
  return before > 0 && before % spacing_ == 0 && before / spacing_ < n_points_[entry];
}

void LastPoints::look(int64_t n_done, double tokens, LanguageModel& model,
                      const std::function<void()>& calibrate, const Ask& ask) {
  std::vector<size_t> due;
  for (size_t i = 0; i < n_points_.size(); ++i)
    if (is_due(i, n_done)) due.push_back(i);
  if (due.empty()) return;
  at::NoGradGuard no_grad;
  const std::vector<Buffer> buffers = model.buffers();
  std::vector<at::Tensor> before;
  for (const Buffer& buffer : buffers) before.push_back(buffer.tensor.clone());
  calibrate();
  for (const size_t i : due) {
    const Evaluation evaluation = ask(i);
    const Metric* headline = last_points::headline(evaluation);
    if (!headline) continue;
    found_[i].insert(found_[i].end(), {tokens, *headline->value});
    arrays_[member_name(array::kLastPoints, evaluation.about().id)] =
        npy_array(found_[i], {static_cast<int64_t>(found_[i].size()) / 2, 2});
  }
  for (size_t i = 0; i < buffers.size(); ++i) buffers[i].tensor.copy_(before[i]);
}

void add_last_points(const NpyMembers& arrays, Evaluation& out) {
  const Metric* headline = last_points::headline(out);
  if (!headline) return;
  const std::string name = headline->name;
  std::vector<double> values;
  const auto found = arrays.find(member_name(array::kLastPoints, out.about().id));
  if (found != arrays.end()) {
    const std::vector<double> numbers = found->second.as_doubles();
    for (size_t i = 1; i < numbers.size(); i += 2) values.push_back(numbers[i]);
  }
  if (values.empty()) {
    out.add(metric::kLastPointsSpread, std::nullopt, {{condition::kSpreadOf, name}},
            "the training left no earlier point");
    return;
  }
  values.push_back(*headline->value);
  out.add(metric::kLastPointsSpread, last_points::standard_deviation(values),
          {{condition::kSpreadOf, name}, {condition::kPoints, values.size()}});
}

}  // namespace sublab

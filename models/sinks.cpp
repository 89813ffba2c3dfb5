// Adding up what mechanisms report.
#include "models/sinks.h"

namespace sublab {

void AuxiliaryLosses::add(std::string name, at::Tensor value, double weight) {
  TORCH_CHECK(value.dim() == 0, "auxiliary loss ", name, " is no scalar");
  all_.push_back({std::move(name), std::move(value), weight});
}

at::Tensor AuxiliaryLosses::total() const {
  at::Tensor sum;
  for (const AuxiliaryLoss& loss : all_) {
    const at::Tensor part = loss.value * loss.weight;
    sum = sum.defined() ? sum + part : part;
  }
  return sum;
}

void Activity::count(const std::string& name, double n, double of, Place place) {
  ActivityCount& count = counts_[{name, place}];
  count.n += n;
  count.of += of;
}

void Activity::add(const Activity& other) {
  for (const auto& [key, count] : other.counts_)
    this->count(key.first, count.n, count.of, key.second);
}

ActivityCount Activity::total(const std::string& name) const {
  ActivityCount sum;
  for (const auto& [key, count] : counts_)
    if (key.first == name) sum.n += count.n, sum.of += count.of;
  return sum;
}

}  // namespace sublab

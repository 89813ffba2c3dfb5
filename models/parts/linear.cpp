// Drawing and naming a linear map.
#include "models/parts/linear.h"

#include <cmath>

namespace sublab {

Linear::Linear(std::string name, int64_t inputs, int64_t outputs, const Initial& initial,
               const LinearConfig& config)
    : name_(std::move(name)) {
  const double std_dev =
      config.std_dev > 0 ? config.std_dev : 1 / std::sqrt(static_cast<double>(inputs));
  weight_ = normal_parameter(name_, {outputs, inputs}, std_dev * config.scale, initial);
  if (config.bias) bias_ = constant_parameter({outputs}, 0, initial);
}

void Linear::add_parameters(std::vector<Parameter>& out) const {
  out.push_back({name_ + ".weight", weight_, 1.0, true});
  if (bias_.defined()) out.push_back({name_ + ".bias", bias_, 1.0, false});
}

std::vector<at::Tensor> maps_of(const at::Tensor& x, std::initializer_list<const Linear*> maps) {
  std::vector<MapWeights> weights;
  for (const Linear* map : maps) weights.push_back({map->weight_, map->bias_});
  return linear_maps(x, weights);
}

}  // namespace sublab

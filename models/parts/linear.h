// A linear map with its name, its initial draw and its cost.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "models/kernels/skinny_linear.h"
#include "models/language_model.h"

namespace sublab {

struct LinearConfig {
  bool bias = false;
  double std_dev = 0;  ///< of the initial weight; 0 = (inputs)^-0.5
  double scale = 1;    ///< of the initial weight, on top
};

/// y = x weight^T + bias. In a checkpoint its tensors are `name`.weight and `name`.bias; its weight
/// is drawn from the stream init/`name`.
class Linear {
 public:
  Linear(std::string name, int64_t inputs, int64_t outputs, const Initial& initial,
         const LinearConfig& config = {});

  at::Tensor operator()(const at::Tensor& x) const { return linear_map(x, weight_, bias_); }
  const at::Tensor& weight() const { return weight_; }
  int64_t inputs() const { return weight_.size(1); }
  int64_t outputs() const { return weight_.size(0); }
  void add_parameters(std::vector<Parameter>& out) const;

 private:
  friend std::vector<at::Tensor> maps_of(const at::Tensor& x,
                                         std::initializer_list<const Linear*> maps);

  std::string name_;
  at::Tensor weight_, bias_;  // [out, in], [out] or undefined
};

/// Each of the maps of one input: one launch on CUDA where x has few rows.
std::vector<at::Tensor> maps_of(const at::Tensor& x, std::initializer_list<const Linear*> maps);

}  // namespace sublab

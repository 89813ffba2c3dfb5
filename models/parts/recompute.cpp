// An autograd node that runs its part again going backward.
#include "models/parts/recompute.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

namespace sublab {
namespace recompute_detail {

struct Part : torch::CustomClassHolder {
  explicit Part(Recomputable part) : part(std::move(part)) {}
  Recomputable part;
};

class Recompute : public torch::autograd::Function<Recompute> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& extra, const Recomputable& part) {
    context->save_for_backward({x, extra});
    context->saved_data["part"] = c10::IValue::make_capsule(c10::make_intrusive<Part>(part));
    return part(x, extra);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto saved = context->get_saved_variables();
    const auto part =
        c10::static_intrusive_pointer_cast<Part>(context->saved_data["part"].toCapsule());
    const auto leaf = [](const at::Tensor& tensor) { return tensor.detach().requires_grad_(); };
    const at::Tensor x = leaf(saved[0]), extra = leaf(saved[1]);
    at::AutoGradMode with_gradients(true);
    torch::autograd::backward({part->part(x, extra)}, {grads[0]});
    return {x.grad(), extra.grad(), at::Tensor()};
  }
};

struct Parts : torch::CustomClassHolder {
  explicit Parts(RecomputableParts part) : part(std::move(part)) {}
  RecomputableParts part;
};

class RecomputeParts : public torch::autograd::Function<RecomputeParts> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context,
                                                const at::TensorList& inputs,
                                                const RecomputableParts& part) {
    context->save_for_backward(inputs.vec());
    context->set_materialize_grads(false);
    context->saved_data["part"] = c10::IValue::make_capsule(c10::make_intrusive<Parts>(part));
    return part(inputs.vec());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grads) {
    const auto part =
        c10::static_intrusive_pointer_cast<Parts>(context->saved_data["part"].toCapsule());
    std::vector<at::Tensor> leaves, outputs, gradients;
    for (const at::Tensor& saved : context->get_saved_variables())
      leaves.push_back(saved.detach().requires_grad_());
    const at::AutoGradMode with_gradients(true);
    const std::vector<at::Tensor> made = part->part(leaves);
    for (size_t i = 0; i < made.size(); ++i) {
      if (!grads[i].defined()) continue;
      outputs.push_back(made[i]);
      gradients.push_back(grads[i]);
    }
    torch::autograd::backward(outputs, gradients);
    torch::autograd::variable_list out;
    for (const at::Tensor& leaf : leaves) out.push_back(leaf.grad());
    out.emplace_back();
    return out;
  }
};

}  // namespace recompute_detail

at::Tensor recomputed(const Recomputable& part, const at::Tensor& x, const at::Tensor& extra) {
  if (extra.defined()) return recompute_detail::Recompute::apply(x, extra, part);
  // Autograd takes no undefined tensor; an empty one stands in its place.
  const auto without = [part](const at::Tensor& input, const at::Tensor&) {
    return part(input, at::Tensor());
  };
  return recompute_detail::Recompute::apply(x, at::empty({0}, x.options()), Recomputable(without));
}

std::vector<at::Tensor> recomputed(const RecomputableParts& part,
                                   const std::vector<at::Tensor>& inputs) {
  return recompute_detail::RecomputeParts::apply(at::TensorList(inputs), part);
}

}  // namespace sublab

// Dynamic NTK: a base that is raised with the tokens n of the request, once they are more than L,
//
//   h_i = b'^(-2i / D),   b' = b (s n / L - (s - 1))^(D / (D - 2)) for n > L, else b.
//
// As in transformers' `dynamic`, whose L is max_position_embeddings. Deviation: n is the declared
// length of the request (Run::declared_length), for which its keys are rotated once and for all;
// nothing declared is n = L. With `growing` it is what transformers does: n is one more than the
// largest position of each pass, over all rows. Cached keys then keep the angles of an earlier n,
// and a row's logits depend on its length and on its neighbours'. (Between two passes of more than
// L tokens transformers never goes back to a smaller n; here each pass has its own.)
#include <algorithm>

#include "baselines/rope/settings.h"
#include "models/wide_type.h"

namespace sublab {
namespace dynamic_ntk_rope_scaling {

struct Config : rope_settings::Window {
  bool growing = false;

  template <class F>
  void fields(F& f) {
    Window::fields(f);
    f("growing", growing,
      "by the tokens of each pass, as transformers, instead of the request's declared length");
  }
};

class DynamicNtk : public FrequencyRope {
 public:
  DynamicNtk(const Config& config, const RopeContext& context)
      : config_(config), context_(context) {
    ntk_base(context.head_dim, context.theta, config.s());  // refuses what has no raised base
  }

  at::Tensor frequencies(int64_t n_tokens, const at::TensorOptions& like) const override {
    const double s = config_.s(), n = static_cast<double>(n_tokens);
    const double raised = std::max(1.0, s * n / config_.len() - (s - 1));
    return rope_frequencies(context_.head_dim, ntk_base(context_.head_dim, context_.theta, raised),
                            like);
  }

  RopeAngles angles(const at::Tensor& positions, int64_t declared_length,
                    const at::TensorOptions& like) const override {
    if (!config_.growing || positions.numel() == 0)
      return FrequencyRope::angles(positions, declared_length, like);
    return turned(positions, grown(positions.max() + 1, like), like);
  }

 protected:
  int64_t length_of(int64_t declared_length) const override {
    return std::max(config_.growing ? 0 : declared_length, *config_.original_context_len);
  }

 private:
  /// frequencies() of n tokens [], a number that stays where it is: nobody waits for it.
  at::Tensor grown(const at::Tensor& n, const at::TensorOptions& like) const {
    const auto wide = wide_type(like);
    const double s = config_.s(), d = static_cast<double>(context_.head_dim);
    const at::Tensor raised =
        (n.to(at::kDouble) * s / config_.len() - (s - 1)).clamp_min(1).pow(d / (d - 2));
    const at::Tensor exponent =
        at::arange(0, context_.head_dim, 2, n.options()).to(wide) / context_.head_dim;
    return 1.0 / at::pow((raised * context_.theta).to(wide), exponent);
  }

  Config config_;
  RopeContext context_;
};

}  // namespace dynamic_ntk_rope_scaling

RopeEntry dynamic_ntk_rope() {
  using dynamic_ntk_rope_scaling::Config, dynamic_ntk_rope_scaling::DynamicNtk;
  auto entry = entry_of<RopeEntry, Config, DynamicNtk>(
      "dynamic_ntk", "a base raised with the request's declared length", "arXiv:2309.00071, 3.3");
  entry.length_dependent_beyond = [](const json& resolved) -> std::optional<int64_t> {
    const auto config = read_settings<Config>(resolved, "/model/rope");
    return config.growing ? config.original_context_len : std::nullopt;
  };
  entry.examples = {{"", {{"factor", 4}, {"original_context_len", 16}}},
                    {"growing", {{"factor", 4}, {"original_context_len", 64}, {"growing", true}}}};
  return entry;
}

}  // namespace sublab

// Domain upsampling (Fu et al. 2024, arXiv:2402.10171, section 3, "upsample domain"): whole
// documents of any length, in another mixture of sources, such as more books and code because they
// are long.
//
// Deviations: as length_upsampling, of which this has the budgets and not the coin.
#include "data/document_sources.h"

namespace sublab {
namespace domain_upsampling {

struct Config {
  json mixture = "uniform";

  template <class F>
  void fields(F& f) {
    f("mixture", mixture,
      "share of tokens of each source: uniform, natural (that of the documents), or an object "
      "{corpus: weight}");
  }
  void validate(const std::string& path) const { Mixture::check(mixture, path + "/mixture"); }
};

class Sampler : public DocumentSampler {
 public:
  Sampler(const Config& config, const SamplingContext& context)
      : mixture_(config.mixture, context), seed_(context.seed) {}

  std::vector<DocumentSpan> epoch(const TokenShard& shard, const std::vector<int64_t>& documents,
                                  int64_t epoch) const override {
    const auto order = in_random_order(documents, seed_, epoch);
    return whole_documents(shard, mixture_.within_budgets(shard, order, documents, epoch));
  }

 private:
  Mixture mixture_;
  uint64_t seed_;
};

}  // namespace domain_upsampling

SamplingEntry domain_upsampling_sampling() {
  return entry_of<SamplingEntry, domain_upsampling::Config, domain_upsampling::Sampler>(
      "domain_upsampling", "whole documents of any length, in another mixture of sources",
      "arXiv:2402.10171");
}

}  // namespace sublab

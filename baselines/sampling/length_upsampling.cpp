// Per-source length upsampling (Fu et al. 2024, arXiv:2402.10171, section 3; data_engineering of
// FranxYao/Long-Context-Data-Engineering): the share of each source stays, and within a source more
// of the tokens come from long documents,
//
//   budget_s = total mixture_s;   while source s is under its budget, take a document
//   if tokens(document) >= long_document_tokens or coin < short_document_probability.
//
// Deviations. Lengths are tokens, not characters / 3.68. Documents keep their borders. The released
// script reads a stream that never ends; here an epoch throws one coin per document and holds as
// many tokens as the scarcest source allows at the mixture, no document twice. A later epoch throws
// coins anew: over several of them a long document is read 1 / short_document_probability times as
// often as a short one. With probability 1 and the natural mixture an epoch is that of `plain`.
#include "data/document_sources.h"

namespace sublab {
namespace length_upsampling {

struct Config {
  LengthCoin coin;
  json mixture = "natural";

  template <class F>
  void fields(F& f) {
    coin.fields(f);
    f("mixture", mixture,
      "share of tokens of each source: natural (that of the documents), uniform, or an object "
      "{corpus: weight}");
  }
  void validate(const std::string& path) const { Mixture::check(mixture, path + "/mixture"); }
};

class Sampler : public DocumentSampler {
 public:
  Sampler(const Config& config, const SamplingContext& context)
      : coin_(config.coin),
        mixture_(config.mixture, context),
        seed_(context.seed),
        where_(context.where) {}

  std::vector<DocumentSpan> epoch(const TokenShard& shard, const std::vector<int64_t>& documents,
                                  int64_t epoch) const override {
    if (epoch == 0) check(shard, documents);
    const auto order = in_random_order(documents, seed_, epoch);
    const auto taken = coin_.taken(shard, order, seed_, epoch);
    return whole_documents(shard, mixture_.within_budgets(shard, taken, documents, epoch));
  }
  int64_t long_document_tokens() const override { return coin_.long_document_tokens; }

 private:
  void check(const TokenShard& shard, const std::vector<int64_t>& documents) const {
    std::vector<std::vector<int64_t>> by_source(tokens_by_source(shard, documents).size());
    for (const int64_t document : documents) by_source[shard.source(document)].push_back(document);
    for (size_t source = 0; source < by_source.size(); ++source)
      coin_.check(shard, by_source[source], mixture_.name_of(static_cast<int64_t>(source)), where_);
  }

  LengthCoin coin_;
  Mixture mixture_;
  uint64_t seed_;
  std::string where_;
};

}  // namespace length_upsampling

SamplingEntry length_upsampling_sampling() {
  auto entry = entry_of<SamplingEntry, length_upsampling::Config, length_upsampling::Sampler>(
      "length_upsampling",
      "every long document, some of the short ones; each source keeps its share",
      "arXiv:2402.10171");
  entry.examples = {{"", {{"long_document_tokens", 200}}},
                    {"uniform",
                     {{"long_document_tokens", 200},
                      {"short_document_probability", 0.5},
                      {"mixture", "uniform"}}}};
  return entry;
}

}  // namespace sublab

// What samplers of documents (baselines/sampling) share: the order of an epoch, how many tokens and
// long documents each source has, the coin that short documents are thrown, and budgets of tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/fields.h"
#include "core/random.h"
#include "data/sampling.h"

namespace sublab {

/// `items` as epoch `epoch` has them: stream "order" of the seed.
template <class T>
std::vector<T> in_random_order(std::vector<T> items, uint64_t seed, int64_t epoch) {
  RandomSequence random(stream_key(seed, "order", static_cast<uint64_t>(epoch)));
  random.shuffle(items);
  return items;
}

std::vector<DocumentSpan> whole_documents(const TokenShard& shard,
                                          const std::vector<int64_t>& documents);

/// Tokens of each source.
std::vector<double> tokens_by_source(const TokenShard& shard,
                                     const std::vector<int64_t>& documents);

/// A document of `long_document_tokens` or more is always taken, a shorter one with a probability.
struct LengthCoin {
  int64_t long_document_tokens = 4096;
  double short_document_probability = 0.1;
  int64_t min_long_documents = 1;

  template <class F>
  void fields(F& f) {
    f("long_document_tokens", long_document_tokens,
      "documents of this many tokens or more are always taken", within(1, 1e12));
    f("short_document_probability", short_document_probability,
      "of taking a shorter one, drawn anew in every epoch", within(0, 1));
    f("min_long_documents", min_long_documents, "fewer long documents than this are refused",
      within(0, 1e12));
  }

  /// Those of `documents` that the coins of epoch `epoch` take, in their order. A coin follows from
  /// the document's text: what is taken at one probability is taken at every higher one.
  std::vector<int64_t> taken(const TokenShard& shard, const std::vector<int64_t>& documents,
                             uint64_t seed, int64_t epoch) const;
  /// Throws UserError where `documents`, those of `whose`, hold fewer long ones than asked for.
  void check(const TokenShard& shard, const std::vector<int64_t>& documents,
             const std::string& whose, const std::string& where) const;
};

/// The share of an epoch's tokens that each source has: "natural" (that of the documents),
/// "uniform", or an object with the weight of every source.
class Mixture {
 public:
  /// Throws UserError at `path` for what is no mixture.
  static void check(const json& given, const std::string& path);
  /// Throws UserError for a source that is none of context.sources, and for one without weight.
  Mixture(const json& given, const SamplingContext& context);

  /// `documents`, in their order, up to each source's budget of tokens: as many as can be had with
  /// the shares of the mixture, which are those of `all` where it is "natural". A source ends at
  /// the first document that would bring it further beyond its budget than it is short of it, so
  /// each is off by half a document at most. Where a source with a share has nothing, there is
  /// nothing in epoch `epoch`; of the first one that is a UserError.
  std::vector<int64_t> within_budgets(const TokenShard& shard,
                                      const std::vector<int64_t>& documents,
                                      const std::vector<int64_t>& all, int64_t epoch) const;

  /// "source 'gcide'", or its number where no names are known.
  std::string name_of(int64_t source) const;

 private:
  std::vector<double> weights(const TokenShard& shard, const std::vector<int64_t>& all) const;

  json given_;
  std::vector<std::string> sources_;
  std::string where_;
};

}  // namespace sublab

// The text of a trial: tokenizer, train and evaluation shards, training rows.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/schema/plan_content.h"
#include "core/schema/trial_config.h"
#include "data/packing.h"
#include "data/trigram.h"

namespace sublab {

class TextData {
 public:
  /// Opens everything; trains the tokenizer and makes shards where they are missing. Throws
  /// UserError when a corpus changes meanwhile.
  TextData(const DataConfig& config, const DataParts& parts);

  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const TokenShard& train() const { return train_; }
  const TokenShard& split(Split split) const {
    return split == Split::test ? test_ : split == Split::train ? train_ : validation_;
  }
  /// Rows to train on, in the order of `seed`.
  std::unique_ptr<PackedDocuments> rows(int64_t seed) const;
  /// The documents that training sees.
  const std::vector<int64_t>& documents() const { return documents_; }
  /// Ids of one document.
  static std::vector<int64_t> ids(const TokenShard& shard, int64_t document);
  /// The texts of a split's documents with these keys, from the corpora.
  std::map<uint64_t, std::string> texts(Split split, const std::set<uint64_t>& keys) const;
  /// Hashes of the corpora and the tokenizer, for a record's provenance.
  json provenance() const;

 private:
  DataConfig config_;
  DataParts parts_;
  PlanContent content_;
  std::unique_ptr<Tokenizer> tokenizer_;
  TokenShard train_, validation_, test_;
  std::vector<int64_t> documents_;
};

}  // namespace sublab

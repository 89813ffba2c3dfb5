// Token shards: the documents of some corpora as ids, memory-mapped, with an index of documents.
//
// File: 8 bytes magic, u64 documents, u64 tokens, u64 bytes per token (2 or 4), then per document
// {u64 first token, u64 bytes of text, u64 key, u64 source}, then the ids.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/files.h"
#include "data/text/documents.h"
#include "data/tokenizer.h"

namespace sublab {

class TokenShard {
 public:
  /// Opens a shard. Throws UserError when it is damaged.
  explicit TokenShard(const fs::path& path);

  int64_t n_documents() const { return static_cast<int64_t>(index_.size()); }
  int64_t n_tokens() const { return n_tokens_; }
  int64_t n_tokens(int64_t document) const { return end(document) - begin(document); }
  /// Bytes of the document's text.
  int64_t n_bytes(int64_t document) const { return static_cast<int64_t>(index_[document].n_bytes); }
  uint64_t key(int64_t document) const { return index_[document].key; }
  /// Which of the corpora the document is from.
  int64_t source(int64_t document) const { return static_cast<int64_t>(index_[document].source); }
  int64_t begin(int64_t document) const {
    return static_cast<int64_t>(index_[document].first_token);
  }
  int64_t end(int64_t document) const {
    return document + 1 < n_documents() ? begin(document + 1) : n_tokens_;
  }
  /// The id at place `token` of the shard.
  int64_t token(int64_t token) const {
    return token_bytes_ == 2 ? reinterpret_cast<const uint16_t*>(tokens_)[token]
                             : reinterpret_cast<const int32_t*>(tokens_)[token];
  }

 private:
  struct Entry {
    uint64_t first_token, n_bytes, key, source;
  };
  MappedFile file_;
  std::span<const Entry> index_;
  const uint8_t* tokens_ = nullptr;
  int64_t n_tokens_ = 0, token_bytes_ = 2;
};

/// The shard of these documents, made when it is not in <cache>/shards yet.
TokenShard open_shard(const std::vector<std::string>& corpora, Split split,
                      const Tokenizer& tokenizer, int64_t bytes_per_source);

}  // namespace sublab

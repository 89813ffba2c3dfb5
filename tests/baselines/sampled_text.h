// Text for the tests of positions and sampling: a shard of bytes, and rows that parts are chosen
// for.
#pragma once

#include <numeric>
#include <string>
#include <vector>

#include "core/random.h"
#include "data/corpus.h"
#include "data/packing.h"
#include "experiments/catalog.h"
#include "tests/temporary_folder.h"

namespace sublab {

/// Writes a corpus of `n` documents of `shortest` to `longest` bytes, drawn from its name.
inline void write_text(const std::string& name, int n, int64_t shortest, int64_t longest) {
  CorpusManifest manifest;
  manifest.name = name;
  manifest.origin = "test";
  RandomSequence random(stream_key(7, name));
  write_corpus(manifest, [&](const std::function<void(std::string)>& add) {
    for (int i = 0; i < n; ++i) {
      const auto length = shortest + static_cast<int64_t>(random.below(longest - shortest + 1));
      std::string text = std::to_string(i) + " of " + name + " ";
      while (static_cast<int64_t>(text.size()) < length)
        text += static_cast<char>('a' + random.below(26));
      add(text);
    }
  });
}

/// The train split of some corpora, in bytes.
class SampledText {
 public:
  explicit SampledText(std::vector<std::string> corpora)
      : corpora(std::move(corpora)),
        tokenizer(bytes_tokenizer()),
        shard(open_shard(this->corpora, Split::train, *tokenizer, 0)),
        documents(training_documents(shard, 0)) {}

  struct Asked {
    json sampling = "plain", positions = "contiguous";
    int64_t context_len = 32;
    bool split_at_documents = false;
    uint64_t seed = 1;
  };
  std::unique_ptr<PackedDocuments> rows(const Asked& asked) const {
    return std::make_unique<PackedDocuments>(
        shard, documents, tokenizer->boundary_id(), tokenizer->vocab_size(), asked.context_len,
        asked.split_at_documents, asked.seed, sampler(asked),
        make_choice(catalog.data.positions, "positions", asked.positions, "/data/positions",
                    {.seed = asked.seed, .context_len = asked.context_len}));
  }
  std::unique_ptr<DocumentSampler> sampler(const Asked& asked) const {
    return make_choice(catalog.data.samplings, "sampling", asked.sampling, "/data/sampling",
                       {.seed = asked.seed, .context_len = asked.context_len, .sources = corpora});
  }

  std::vector<std::string> corpora;
  std::unique_ptr<Tokenizer> tokenizer;
  TokenShard shard;
  std::vector<int64_t> documents;
  Catalog catalog = built_in_catalog();
};

inline bool same(const TokenRow& a, const TokenRow& b) {
  return a.tokens == b.tokens && a.labels == b.labels && a.positions == b.positions &&
         a.lengths == b.lengths;
}

}  // namespace sublab

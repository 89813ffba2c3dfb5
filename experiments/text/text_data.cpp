// Opens tokenizer and shards of a trial's text.
#include "experiments/text/text_data.h"

#include "data/corpus.h"
#include "experiments/text/content.h"

namespace sublab {
namespace {

std::unique_ptr<Tokenizer> tokenizer_of(const DataConfig& config) {
  if (config.corpus.empty())
    throw UserError("/data/corpus", "is empty; name at least one (see `sublab corpus list`)");
  return make_tokenizer(config.tokenizer, config.corpus, config.bytes_per_source,
                        "/data/tokenizer");
}

PlanContent content_of(const DataConfig& config) {
  PlanContent out;
  add_content(config, out);
  return out;
}

}  // namespace

TextData::TextData(const DataConfig& config, const DataParts& parts)
    : config_(config),
      parts_(parts),
      content_(content_of(config)),
      tokenizer_(tokenizer_of(config)),
      train_(open_shard(config.corpus, Split::train, *tokenizer_, config.bytes_per_source)),
      validation_(
          open_shard(config.corpus, Split::validation, *tokenizer_, config.bytes_per_source)),
      test_(open_shard(config.corpus, Split::test, *tokenizer_, config.bytes_per_source)),
      documents_(training_documents(train_, config.unique_tokens)) {
  const auto changed = content_differences(content_, content_of(config));
  if (!changed.empty())
    throw UserError("/data", join(changed, "; ") + ": it changed while it was read; run again");
}

std::unique_ptr<PackedDocuments> TextData::rows(int64_t seed) const {
  const auto stream = static_cast<uint64_t>(seed);
  return std::make_unique<PackedDocuments>(
      train_, documents_, tokenizer_->boundary_id(), tokenizer_->vocab_size(), config_.context_len,
      config_.packing == "document", stream,
      make_choice(parts_.samplings, "sampling", config_.sampling, "/data/sampling",
                  {.seed = stream, .context_len = config_.context_len, .sources = config_.corpus}),
      make_choice(parts_.positions, "positions", config_.positions, "/data/positions",
                  {.seed = stream, .context_len = config_.context_len}));
}

std::vector<int64_t> TextData::ids(const TokenShard& shard, int64_t document) {
  std::vector<int64_t> out;
  for (int64_t t = shard.begin(document); t < shard.end(document); ++t)
    out.push_back(shard.token(t));
  return out;
}

std::map<uint64_t, std::string> TextData::texts(Split split, const std::set<uint64_t>& keys) const {
  std::map<uint64_t, std::string> out;
  for (const std::string& name : config_.corpus)
    read_documents(name, split, [&](std::string_view text) {
      if (const uint64_t key = document_key(text); keys.count(key)) out.emplace(key, text);
    });
  return out;
}

json TextData::provenance() const {
  json corpora = json::object();
  for (const std::string& name : config_.corpus) {
    const CorpusContent& corpus = *content_.corpus(name);
    corpora[name] = {{"origin", read_manifest(name).origin},
                     {"version", corpus.version},
                     {"train_sha256", corpus.train},
                     {"validation_sha256", corpus.validation},
                     {"test_sha256", corpus.test}};
  }
  return {{"corpora", corpora},
          {"tokenizer", config_.tokenizer},
          {"tokenizer_hash", tokenizer_->content_hash()},
          {"train_documents", documents_.size()}};
}

}  // namespace sublab

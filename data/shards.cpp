// Writes token shards with a digest behind them, and maps them into memory.
#include "data/shards.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <thread>

#include "core/error.h"
#include "core/hash.h"
#include "data/corpus.h"
#include "data/document_sample.h"

namespace sublab {
namespace {

constexpr std::string_view kMagic = "SUBLABT2";
/// Hex characters of the SHA-256 at the end, of all before it.
constexpr size_t kDigestBytes = 64;

std::vector<std::vector<int32_t>> encode_all(const std::vector<SampledDocument>& documents,
                                             const Tokenizer& tokenizer) {
  std::vector<std::vector<int32_t>> ids(documents.size());
  const size_t n_threads = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::exception_ptr> failures(n_threads);  // one that leaves a thread ends the program
  std::vector<std::thread> threads;
  for (size_t t = 0; t < n_threads; ++t)
    threads.emplace_back([&, t] {
      try {
        for (size_t i = t; i < documents.size(); i += n_threads)
          ids[i] = tokenizer.encode(documents[i].text);
      } catch (...) {
        failures[t] = std::current_exception();
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
  return ids;
}

/// Writes, and hashes what it wrote.
struct HashedStream {
  std::ostream& out;
  Sha256 hash = {};

  void write(std::string_view bytes) {
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    hash.update(bytes);
  }
  void write_number(uint64_t value) {
    write({reinterpret_cast<const char*>(&value), sizeof value});
  }
};

void write_shard(const fs::path& path, const std::vector<SampledDocument>& documents,
                 const Tokenizer& tokenizer) {
  const auto ids = encode_all(documents, tokenizer);
  const uint64_t token_bytes = tokenizer.vocab_size() <= 65536 ? 2 : 4;
  uint64_t n_tokens = 0;
  for (const auto& document : ids) n_tokens += document.size();
  write_file_durably(path, [&](std::ostream& stream) {
    HashedStream out{stream};
    out.write(kMagic);
    for (const uint64_t number : {documents.size(), n_tokens, token_bytes})
      out.write_number(number);
    uint64_t first = 0;
    for (size_t i = 0; i < documents.size(); ++i) {
      for (const uint64_t number : {first, static_cast<uint64_t>(documents[i].text.size()),
                                    documents[i].key, documents[i].source})
        out.write_number(number);
      first += ids[i].size();
    }
    for (const auto& document : ids)
      for (const int32_t id : document)
        out.write({reinterpret_cast<const char*>(&id), token_bytes});  // little endian
    stream << out.hash.hex();
  });
}

}  // namespace

TokenShard::TokenShard(const fs::path& path) : file_(path) {
  const auto bytes = file_.bytes();
  const auto damaged = [&] {
    throw UserError(path.string(), "is damaged; delete it, it is made again");
  };
  if (bytes.size() < 32 + kDigestBytes || std::memcmp(bytes.data(), kMagic.data(), 8) != 0)
    damaged();
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (sha256_hex(all.substr(0, all.size() - kDigestBytes)) != all.substr(all.size() - kDigestBytes))
    damaged();
  uint64_t head[3];
  std::memcpy(head, bytes.data() + 8, sizeof head);
  const auto [n_documents, n_tokens, token_bytes] = head;
  const uint64_t room = bytes.size() - 32 - kDigestBytes;
  if ((token_bytes != 2 && token_bytes != 4) || n_documents > room / sizeof(Entry) ||
      n_tokens > room / token_bytes || room != n_documents * sizeof(Entry) + n_tokens * token_bytes)
    damaged();
  index_ = {reinterpret_cast<const Entry*>(bytes.data() + 32), n_documents};
  for (size_t i = 0; i < index_.size(); ++i)
    if (index_[i].first_token > n_tokens ||
        (i > 0 && index_[i].first_token < index_[i - 1].first_token))
      damaged();
  if (!index_.empty() && index_[0].first_token != 0) damaged();
  tokens_ = bytes.data() + 32 + n_documents * sizeof(Entry);
  n_tokens_ = static_cast<int64_t>(n_tokens);
  token_bytes_ = static_cast<int64_t>(token_bytes);
}

TokenShard open_shard(const std::vector<std::string>& corpora, Split split,
                      const Tokenizer& tokenizer, int64_t bytes_per_source) {
  std::string identity = "v3 " + std::string(split_name(split)) + " " + tokenizer.content_hash() +
                         " " + std::to_string(bytes_per_source);
  for (const std::string& name : corpora) identity += " " + read_manifest(name).of(split).sha256;
  const fs::path path = cache_folder() / "shards" / (short_hash(identity) + ".tokens");
  if (!fs::exists(path)) {  // what is there was renamed there as a whole, and needs no lock
    const FileLock lock(path.string() + ".lock");
    if (!fs::exists(path))
      write_shard(path, sampled_documents(corpora, split, bytes_per_source), tokenizer);
  }
  return TokenShard(path);
}

}  // namespace sublab

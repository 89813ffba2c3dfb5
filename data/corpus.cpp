// Corpora as files: duplicates dropped, documents split by their hash.
#include "data/corpus.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <unordered_set>

#include "core/error.h"
#include "core/hash.h"
#include "core/hints.h"
#include "data/sources/sources.h"

namespace sublab {
namespace {

std::string mend(const std::string& name) {
  for (const Source& source : text_sources())
    if (source.name == name) return "run: " + command_name() + " corpus prepare " + name;
  return "run: " + command_name() + " corpus import PATH " + name;
}

void check_name(const std::string& name) {
  const bool good =
      !name.empty() && name.size() <= 64 &&
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string::npos;
  if (!good) throw UserError("corpus name '" + name + "'", "allowed: 1 to 64 of a-z, 0-9, _ and -");
}

/// Collects documents of one split in a file and keeps its figures.
class SplitWriter {
 public:
  explicit SplitWriter(const fs::path& path) : path_(path), out_(path, std::ios::binary) {
    if (!out_) throw UserError(path.string(), "cannot write");
  }
  void add(const std::string& text) {
    uint64_t length = text.size();
    char head[8];
    std::memcpy(head, &length, 8);
    write({head, 8});
    write(text);
    lengths_.push_back(static_cast<int64_t>(length));
  }
  SplitManifest finish() {
    out_.close();
    if (!out_) throw UserError(path_.string(), "cannot write (is the disk full?)");
    SplitManifest manifest;
    manifest.documents = static_cast<int64_t>(lengths_.size());
    for (const int64_t length : lengths_) manifest.bytes += length;
    std::sort(lengths_.begin(), lengths_.end());
    if (!lengths_.empty()) manifest.median_document_bytes = lengths_[lengths_.size() / 2];
    manifest.sha256 = hash_.hex();
    return manifest;
  }

 private:
  void write(std::string_view bytes) {
    hash_.update(bytes);
    out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!out_) throw UserError(path_.string(), "cannot write (is the disk full?)");
  }
  fs::path path_;
  std::ofstream out_;
  Sha256 hash_;
  std::vector<int64_t> lengths_;
};

}  // namespace

fs::path corpus_folder(const std::string& name) { return cache_folder() / "corpora" / name; }

std::vector<std::string> prepared_corpora() {
  std::vector<std::string> names;
  const fs::path folder = cache_folder() / "corpora";
  if (fs::is_directory(folder))
    for (const fs::path& entry : folder_entries(folder))
      if (fs::exists(entry / "manifest.json")) names.push_back(entry.filename());
  return names;
}

CorpusManifest read_manifest(const std::string& name) {
  check_name(name);
  const fs::path path = corpus_folder(name) / "manifest.json";
  if (!fs::exists(path)) {
    std::vector<std::string> known = prepared_corpora();
    for (const Source& source : text_sources()) known.push_back(source.name);
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      std::sort(known.begin(), known.end());
      throw_unknown_name("corpus", "corpus", name, known);
    }
    throw UserError("corpus '" + name + "'", "is not prepared; " + mend(name));
  }
  CorpusManifest manifest;
  try {
    read_fields(parse_json(read_file(path), path.string()), path.string(), manifest);
  } catch (const UserError& error) {
    throw UserError("corpus '" + name + "'",
                    std::string("is damaged (") + error.what() + "); " + mend(name));
  }
  return manifest;
}

CorpusManifest write_corpus(
    CorpusManifest manifest,
    const std::function<void(const std::function<void(std::string)>&)>& documents) {
  check_name(manifest.name);
  const fs::path folder = corpus_folder(manifest.name);
  make_writable_folder(folder.parent_path());
  const FileLock lock(folder.string() + ".lock");
  const fs::path temporary = folder.string() + ".tmp" + std::to_string(::getpid());
  fs::create_directories(temporary);
  try {
    SplitWriter train(temporary / "train.docs"), validation(temporary / "validation.docs"),
        test(temporary / "test.docs");
    std::unordered_set<uint64_t> seen;
    documents([&](std::string text) {
      const uint64_t key = document_key(text);
      if (!seen.insert(key).second) {
        ++manifest.duplicates_dropped;
        return;
      }
      const Split split = split_of(key);
      (split == Split::train ? train : split == Split::validation ? validation : test).add(text);
    });
    manifest.train = train.finish();
    manifest.validation = validation.finish();
    manifest.test = test.finish();
    if (seen.empty()) throw UserError(manifest.origin, "is empty: it holds no text");
    write_file_durably(temporary / "manifest.json", write_fields(manifest).dump(1) + "\n");
    fs::remove_all(folder);
    fs::rename(temporary, folder);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    throw;
  }
  return manifest;
}

void read_documents(const std::string& name, Split split,
                    const std::function<void(std::string_view)>& each) {
  const CorpusManifest manifest = read_manifest(name);
  const fs::path path = corpus_folder(name) / (std::string(split_name(split)) + ".docs");
  const auto damaged = [&](const std::string& why) {
    throw UserError("corpus '" + name + "'",
                    "is damaged (" + path.string() + " " + why + "); " + mend(name));
  };
  if (!fs::exists(path)) damaged("is missing");
  const MappedFile file(path);
  const std::string_view bytes(reinterpret_cast<const char*>(file.bytes().data()),
                               file.bytes().size());
  if (sha256_hex(bytes) != manifest.of(split).sha256)
    damaged("does not have the hash of its manifest");
  size_t at = 0;
  while (at < bytes.size()) {
    uint64_t length = 0;
    if (bytes.size() - at < 8) damaged("is cut off");
    std::memcpy(&length, bytes.data() + at, 8);
    if (length > bytes.size() - at - 8) damaged("is cut off");
    each(bytes.substr(at + 8, length));
    at += 8 + length;
  }
}

ImportedCorpus import_corpus(const fs::path& path, const std::string& name,
                             const TextFileRules& rules) {
  check_name(name);
  for (const Source& source : text_sources())
    if (source.name == name)
      throw UserError("corpus name '" + name + "'", "is that of a built-in source");
  if (!fs::exists(path)) throw UserError(path.string(), "does not exist");
  CorpusManifest manifest;
  manifest.name = name;
  manifest.origin = fs::absolute(path).string();
  manifest.licence = "the user's own";
  if (invalid_utf8(manifest.origin) != std::string::npos)
    throw UserError(path.string(), "has a path that is not UTF-8");
  ImportedCorpus out;
  out.manifest = write_corpus(manifest, [&](const std::function<void(std::string)>& add) {
    out.read = read_text_files(path, rules, add);
    if (out.read.n_json == 0 && rules.field != TextFileRules{}.field)
      throw UserError("--field", "has no effect: no JSON was read");
  });
  return out;
}

std::vector<Split> empty_splits(const std::vector<std::string>& corpora) {
  std::vector<Split> out;
  for (const Split split : kSplits) {
    int64_t n = 0;
    for (const std::string& name : corpora) n += read_manifest(name).of(split).documents;
    if (n == 0) out.push_back(split);
  }
  return out;
}

}  // namespace sublab

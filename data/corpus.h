// Corpora on disk: <cache>/corpora/<name>/{train,validation,test}.docs and manifest.json.
//
// A .docs file is a sequence of records: u64 length (little endian), then the document's bytes.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/fields.h"
#include "core/files.h"
#include "data/text/documents.h"
#include "data/text/text_files.h"

namespace sublab {

struct SplitManifest {
  int64_t documents = 0;
  int64_t bytes = 0;  ///< of text
  int64_t median_document_bytes = 0;
  std::string sha256;  ///< of the .docs file

  template <class F>
  void fields(F& f) {
    f("documents", documents, "number of documents", within(0, 1e15));
    f("bytes", bytes, "bytes of text", within(0, 1e18));
    f("median_document_bytes", median_document_bytes, "median length", within(0, 1e18));
    f("sha256", sha256, "hash of the file");
  }
};

struct CorpusManifest {
  int64_t format = 1;
  std::string name;
  std::string origin;   ///< package, or path
  std::string version;  ///< of the package
  std::string licence;
  int64_t duplicates_dropped = 0;
  SplitManifest train, validation, test;

  template <class F>
  void fields(F& f) {
    f("format", format, "version of this layout", within(1, 1));
    f("name", name, "corpus name");
    f("origin", origin, "where the text comes from");
    f("version", version, "version of the package");
    f("licence", licence, "licence of the text");
    f("duplicates_dropped", duplicates_dropped, "exact duplicates left out", within(0, 1e15));
    f("train", train, "train split");
    f("validation", validation, "validation split");
    f("test", test, "test split");
  }
  const SplitManifest& of(Split split) const {
    return split == Split::train ? train : split == Split::validation ? validation : test;
  }
};

fs::path corpus_folder(const std::string& name);
/// Names of the corpora that are prepared on this machine.
std::vector<std::string> prepared_corpora();

/// Throws UserError, with the command that mends it, when the corpus is missing or damaged.
CorpusManifest read_manifest(const std::string& name);

/// Drops exact duplicates, splits and writes a corpus; all or nothing. `documents` is asked for
/// text by handing it a function to call per document. Throws UserError when nothing is left, or a
/// document is not UTF-8.
CorpusManifest write_corpus(
    CorpusManifest manifest,
    const std::function<void(const std::function<void(std::string)>&)>& documents);

/// Calls `each` with the documents of a split in the order of the file. Checks the file's hash.
void read_documents(const std::string& name, Split split,
                    const std::function<void(std::string_view)>& each);

struct ImportedCorpus {
  CorpusManifest manifest;
  FilesRead read;
};

/// Makes a corpus of a folder or a file, as read_text_files reads them: a file of text is one
/// document.
ImportedCorpus import_corpus(const fs::path& path, const std::string& name,
                             const TextFileRules& rules = {});

/// The splits in which these corpora, taken together, hold no document.
std::vector<Split> empty_splits(const std::vector<std::string>& corpora);

}  // namespace sublab

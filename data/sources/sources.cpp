#include "data/sources/sources.h"

#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cstdlib>

#include "core/error.h"
#include "core/hints.h"
#include "data/corpus.h"

namespace sublab {

const std::vector<Source>& text_sources() {
  static const std::vector<Source> sources = {
      {"gcide", "dict-gcide",
       "Collaborative International Dictionary of English: very short entries", "GPL-1+",
       dictd_extractor("gcide")},
      {"foldoc", "dict-foldoc", "Free On-line Dictionary of Computing: short entries", "GFDL-1.1+",
       dictd_extractor("foldoc")},
      {"jargon", "dict-jargon", "the Jargon File: short entries", "public domain",
       dictd_extractor("jargon")},
      {"git_doc", "git-doc", "manual pages and howtos of git", "GPL-2",
       files_extractor("usr/share/doc/git-doc", ".txt", clean_plain)},
      {"perl_doc", "perl-doc", "Perl's manual: long technical pages", "GPL-1+ or Artistic",
       files_extractor("usr/share/perl", ".pod", clean_pod)},
      {"python_docs", "python3.11-doc", "Python's documentation", "PSF-2",
       files_extractor("usr/share/doc/python3.11/html/_sources", ".txt", clean_rst)},
      {"linux_doc", "linux-doc-6.1", "the Linux kernel's documentation", "GPL-2",
       files_extractor("usr/share/doc/linux-doc-6.1", ".rst.gz", clean_rst)},
      {"anarchism", "anarchism", "An Anarchist FAQ: a book in long chapters", "GFDL-1.1+",
       files_extractor("usr/share/doc/anarchism/markdown", ".md.gz", clean_markdown)},
  };
  return sources;
}

namespace {

std::string quoted(const std::string& text) { return "'" + text + "'"; }

/// Runs a shell command line without showing what it prints; true when it succeeded.
bool run_quietly(const std::string& command) {
  return std::system(("{ " + command + "; } >/dev/null 2>&1").c_str()) == 0;
}

fs::path first_with_ending(const fs::path& folder, const std::string& ending) {
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().string().ends_with(ending)) return entry.path();
  return {};
}

/// Downloads and unpacks `package` into `folder` and returns its version.
std::string unpack_package(const std::string& package, const fs::path& folder) {
  const std::string in_folder = "cd " + quoted(folder.string()) + " && ";
  if (!run_quietly("command -v apt-get && command -v dpkg"))
    throw UserError("corpus", "this machine has no apt to fetch " + package +
                                  " with; use your own text: " + command_name() +
                                  " corpus import PATH NAME");
  if (!run_quietly(in_folder + "apt-get download " + package))
    throw UserError("corpus", "apt-get could not download " + package +
                                  "; run once: sudo apt-get update (or check the network)");
  const fs::path archive = first_with_ending(folder, ".deb");
  if (archive.empty() || !run_quietly(in_folder + "dpkg -x " + quoted(archive.string()) + " ."))
    throw UserError("corpus", "dpkg could not unpack " + package);
  const std::string file = archive.filename().string();  // package_version_arch.deb
  const size_t begin = file.find('_') + 1;
  std::string version = file.substr(begin, file.rfind('_') - begin);
  const size_t escaped = version.find("%3a");
  if (escaped != std::string::npos) version.replace(escaped, 3, ":");
  return version;
}

}  // namespace

void prepare_source(const Source& source) {
  try {
    const CorpusManifest manifest = read_manifest(source.name);
    for (const Split split : kSplits) read_documents(source.name, split, [](std::string_view) {});
    return;
  } catch (const UserError&) {
    // Missing or damaged: made anew below.
  }
  make_writable_folder(cache_folder() / "corpora");
  std::string pattern = (cache_folder() / "unpack.XXXXXX").string();
  if (!::mkdtemp(pattern.data())) throw UserError(pattern, "cannot make this folder");
  const fs::path folder = pattern;
  try {
    CorpusManifest manifest;
    manifest.name = source.name;
    manifest.origin = "Debian package " + source.package;
    manifest.licence = source.licence;
    manifest.version = unpack_package(source.package, folder);
    write_corpus(manifest, [&](const AddDocument& add) { source.extract(folder, add); });
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
    throw;
  }
  fs::remove_all(folder);
}

std::string gunzip(const fs::path& path) {
  gzFile in = ::gzopen(path.c_str(), "rb");
  if (!in) throw UserError(path.string(), "cannot read");
  if (::gzdirect(in)) {  // zlib would hand over any other file as it is
    ::gzclose(in);
    throw UserError(path.string(), "is not gzip");
  }
  std::string out;
  char buffer[1 << 16];
  int n;
  while ((n = ::gzread(in, buffer, sizeof buffer)) > 0) out.append(buffer, n);
  const bool whole = ::gzclose(in) == Z_OK;
  if (n < 0) throw UserError(path.string(), "is damaged (not gzip)");
  if (!whole) throw UserError(path.string(), "is cut off: its gzip stream has no end");
  return out;
}

/// Of a package's pages in several languages, those that are mostly ASCII.
static bool is_english(const std::string& text) {
  const auto n = std::count_if(text.begin(), text.end(),
                               [](char c) { return static_cast<unsigned char>(c) > 127; });
  return 10 * n < static_cast<int64_t>(text.size());
}

Extractor files_extractor(const std::string& folder, const std::string& ending,
                          std::string (*clean)(const std::string&)) {
  return [=](const fs::path& unpacked, const AddDocument& add) {
    std::vector<fs::path> files;
    if (fs::is_directory(unpacked / folder))
      for (const auto& entry : fs::recursive_directory_iterator(unpacked / folder))
        if (entry.is_regular_file() && entry.path().string().ends_with(ending) &&
            entry.path().string().find("/translations/") == std::string::npos)
          files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    constexpr size_t kShortest = 200;  // a stub that only names another page is no document
    for (const fs::path& file : files) {
      std::string text = clean(file.extension() == ".gz" ? gunzip(file) : read_file(file));
      if (text.size() >= kShortest && invalid_utf8(text) == std::string::npos && is_english(text))
        add(std::move(text));
    }
  };
}

}  // namespace sublab

// The table of sources.
#include "data/sources/sources.h"

#include <algorithm>

#include "data/text/documents.h"
#include "data/text/gzip.h"

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

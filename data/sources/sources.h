// Real text from Debian packages: which packages, and how each kind of mark-up becomes documents.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/files.h"

namespace sublab {

using AddDocument = std::function<void(std::string)>;

/// Reads an unpacked package and hands over its documents, cleaned.
using Extractor = std::function<void(const fs::path& unpacked, const AddDocument& add)>;

struct Source {
  std::string name;
  std::string package;
  std::string summary;
  std::string licence;
  Extractor extract;
};

/// Every built-in source.
const std::vector<Source>& text_sources();

/// Dictionary of the dictd format: /usr/share/dictd/`name`.{dict.dz,index}; an entry is a document.
Extractor dictd_extractor(const std::string& name);
/// Files below `folder` whose name ends in `ending`, through `clean`; ".gz" is unpacked.
Extractor files_extractor(const std::string& folder, const std::string& ending,
                          std::string (*clean)(const std::string& text));

// Mark-up to plain text. What remains is prose as a reader sees it, code samples included.
std::string clean_markdown(const std::string& text);
std::string clean_rst(const std::string& text);
std::string clean_pod(const std::string& text);
std::string clean_plain(const std::string& text);

}  // namespace sublab

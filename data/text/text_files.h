// Documents from files that a user has: plain text, JSON lines, JSON, each also with gzip.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/files.h"

namespace sublab {

/// How a file is read, by the end of its name in any case; ".gz" behind it is unpacked first.
enum class TextKind {
  plain,       ///< any other: the file is one document of UTF-8 text
  json_lines,  ///< .jsonl, .ndjson: a document per line
  json         ///< .json: a list of documents, or one
};

TextKind text_kind(const fs::path& path);

struct TextFileRules {
  std::string field = "text";    ///< of a JSON object that holds the text
  bool skip_unreadable = false;  ///< leave out what cannot be read, and name it
};

struct FilesRead {
  std::vector<std::string> left_out;  ///< "path: why"
  int64_t n_json = 0;                 ///< files of JSON that were read
};

/// Hands over the documents of a file, or of every file below a folder in order of their paths;
/// links are followed, no folder is read twice, and hidden ones (".git") are passed over. In JSON a
/// document is a string, or an object whose `field` is one. Documents of blanks alone are passed
/// over. What is no text, no such JSON, no regular file, or must not be read, throws UserError that
/// names it, or is left out where the rules say so.
FilesRead read_text_files(const fs::path& path, const TextFileRules& rules,
                          const std::function<void(std::string)>& add);

/// Throws UserError where `text` is not UTF-8 or has NUL bytes.
void check_text(std::string_view text, const std::string& where);

/// No character but white space.
bool is_blank(std::string_view text);

}  // namespace sublab

// Files of a data set that a user has: read once, known by their content, and every mistake in them
// named with file and line.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/fields.h"
#include "core/files.h"

namespace sublab {

/// A line of JSON and its number, from 1.
struct JsonLine {
  json value;
  int64_t line = 0;
};

class DataFiles {
 public:
  /// `path` is a folder, or a file (whose name is then the only one there is), as the setting at
  /// `where` names it: absolute, or relative to where the program is run. Throws UserError where
  /// there is none.
  DataFiles(const std::string& path, std::string where);

  bool is_file() const { return is_file_; }
  /// The name of the file; "" of a folder.
  std::string file_name() const;
  bool has(const std::string& name) const;
  /// Throws UserError where the file is not there or empty, saying that `what` is expected.
  std::string read(const std::string& name, const std::string& what);
  /// Names below `folder` ("" = the data folder) that end in `ending`, without folder and ending,
  /// sorted.
  std::vector<std::string> names(const std::string& folder, const std::string& ending) const;
  /// The lines of a file of JSON objects; blank ones are passed over.
  std::vector<JsonLine> read_json_lines(const std::string& name, const std::string& what);
  /// The first of `candidates` that the folder has; "" where it has none. A folder is had where it
  /// is one.
  std::string first_of(const std::vector<std::string>& candidates) const;

  /// Throws UserError: "<where>: <file>:<line>: <what>"; line 0 = the whole file.
  [[noreturn]] void refuse(const std::string& name, int64_t line, const std::string& what) const;
  /// The value of a key: a string. Throws by refuse().
  std::string text_of(const JsonLine& line, const std::string& key, const std::string& name) const;

  /// A hash of the names and the bytes of all that was read.
  std::string content() const;

 private:
  fs::path path_of(const std::string& name) const;
  std::string shown(const std::string& name) const;

  fs::path root_;
  std::string where_;
  bool is_file_ = false;
  std::map<std::string, std::string> hashes_;  // by name
};

/// Records of comma-separated values as RFC 4180 has them: fields may be quoted, then hold commas,
/// line ends and doubled quotes.
struct CsvRecord {
  std::vector<std::string> fields;
  int64_t line = 0;  ///< that it begins on, from 1
};

/// Throws UserError by `refuse(line, what)`, which must not return.
std::vector<CsvRecord> parse_csv(const std::string& text,
                                 const std::function<void(int64_t, const std::string&)>& refuse);

}  // namespace sublab

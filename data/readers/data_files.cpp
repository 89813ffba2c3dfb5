// Reads a user's files, remembers what was read, and takes JSON lines and CSV apart.
#include "data/readers/data_files.h"

#include <algorithm>

#include "core/hash.h"
#include "core/utf8.h"
#include "data/text/text_files.h"

namespace sublab {

DataFiles::DataFiles(const std::string& path, std::string where)
    : root_(path), where_(std::move(where)) {
  if (path.empty())
    throw UserError(where_, "is empty; name the folder or file that holds the data");
  std::error_code ignored;
  is_file_ = fs::is_regular_file(root_, ignored);
  if (!is_file_ && !fs::is_directory(root_, ignored))
    throw UserError(where_, "'" + path +
                                "' is not there; name a folder or file, absolute or "
                                "relative to where the program is run");
}

std::string DataFiles::file_name() const { return is_file_ ? root_.filename().string() : ""; }

fs::path DataFiles::path_of(const std::string& name) const {
  return is_file_ ? root_ : root_ / name;
}

std::string DataFiles::shown(const std::string& name) const { return path_of(name).string(); }

bool DataFiles::has(const std::string& name) const {
  std::error_code ignored;
  return is_file_ ? name == file_name() : fs::is_regular_file(root_ / name, ignored);
}

std::string DataFiles::read(const std::string& name, const std::string& what) {
  if (!has(name)) throw UserError(where_, shown(name) + " is not there; expected " + what);
  std::string bytes = read_file(path_of(name));
  if (is_blank(bytes)) throw UserError(where_, shown(name) + " is empty; expected " + what);
  try {
    check_text(bytes, shown(name));
  } catch (const UserError& error) {
    throw UserError(where_, error.what());
  }
  constexpr std::string_view kMark = "\xef\xbb\xbf";  // of byte order
  hashes_[name] = sha256_hex(bytes);
  if (bytes.starts_with(kMark)) bytes.erase(0, kMark.size());
  return bytes;
}

std::vector<std::string> DataFiles::names(const std::string& folder,
                                          const std::string& ending) const {
  std::vector<std::string> out;
  std::error_code ignored;
  if (is_file_ || !fs::is_directory(root_ / folder, ignored)) return out;
  for (const fs::path& entry : folder_entries(root_ / folder)) {
    const std::string name = entry.filename().string();
    if (name.ends_with(ending) && !name.starts_with('.') && fs::is_regular_file(entry, ignored))
      out.push_back(name.substr(0, name.size() - ending.size()));
  }
  return out;
}

std::vector<JsonLine> DataFiles::read_json_lines(const std::string& name, const std::string& what) {
  const std::string bytes = read(name, what);
  std::vector<JsonLine> out;
  int64_t number = 0;
  for (size_t begin = 0; begin < bytes.size();) {
    const size_t end = std::min(bytes.find('\n', begin), bytes.size());
    const std::string line = bytes.substr(begin, end - begin);
    begin = end + 1, ++number;
    if (is_blank(line)) continue;
    json value = json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (value.is_discarded()) refuse(name, number, "is no JSON; expected " + what);
    if (!value.is_object())
      refuse(name, number, "expected an object, not " + std::string(value.type_name()));
    out.push_back({std::move(value), number});
  }
  return out;
}

std::string DataFiles::first_of(const std::vector<std::string>& candidates) const {
  std::error_code ignored;
  for (const std::string& each : candidates)
    if (!is_file_ && fs::exists(root_ / each, ignored)) return each;
  return "";
}

void DataFiles::refuse(const std::string& name, int64_t line, const std::string& what) const {
  throw UserError(where_, shown(name) + (line > 0 ? ":" + std::to_string(line) : "") + ": " + what);
}

std::string DataFiles::text_of(const JsonLine& line, const std::string& key,
                               const std::string& name) const {
  const auto found = line.value.find(key);
  if (found == line.value.end() || !found->is_string()) {
    std::vector<std::string> keys;
    for (const auto& [each, value] : line.value.items()) keys.push_back(each);
    refuse(name, line.line, "has no string \"" + key + "\"; its keys: " + join(keys));
  }
  return found->get<std::string>();
}

std::string DataFiles::content() const {
  std::string all;
  // A file alone is known by its bytes: its name may change.
  for (const auto& [name, hash] : hashes_) all += (is_file_ ? "" : name) + " " + hash + "\n";
  return short_hash(all);
}

namespace csv {

/// Takes one record apart, from `at` on.
class Scanner {
 public:
  Scanner(const std::string& text, const std::function<void(int64_t, const std::string&)>& refuse)
      : text_(text), refuse_(refuse) {}

  bool at_end() const { return at_ >= text_.size(); }

  CsvRecord record() {
    CsvRecord out;
    out.line = line_;
    while (true) {
      out.fields.push_back(!at_end() && text_[at_] == '"' ? quoted() : plain());
      if (at_end() || text_[at_] != ',') break;
      ++at_;
    }
    if (!at_end() && text_[at_] == '\r') ++at_;
    if (!at_end() && text_[at_] != '\n') refuse_(line_, "has text behind a closing quote");
    if (!at_end()) ++at_, ++line_;
    return out;
  }

 private:
  std::string plain() {
    const size_t end = std::min(text_.find_first_of(",\r\n", at_), text_.size());
    std::string out = text_.substr(at_, end - at_);
    at_ = end;
    return out;
  }

  std::string quoted() {
    const int64_t began = line_;
    std::string out;
    for (++at_;; ++at_) {
      if (at_end()) refuse_(began, "has a quote that is never closed");
      if (text_[at_] == '"') {
        if (at_ + 1 >= text_.size() || text_[at_ + 1] != '"') break;
        ++at_;
      }
      line_ += text_[at_] == '\n';
      out += text_[at_];
    }
    ++at_;
    return out;
  }

  const std::string& text_;
  const std::function<void(int64_t, const std::string&)>& refuse_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

}  // namespace csv

std::vector<CsvRecord> parse_csv(const std::string& text,
                                 const std::function<void(int64_t, const std::string&)>& refuse) {
  std::vector<CsvRecord> out;
  csv::Scanner scanner(text, refuse);
  while (!scanner.at_end()) {
    CsvRecord record = scanner.record();
    if (record.fields.size() > 1 || !is_blank(record.fields[0])) out.push_back(std::move(record));
  }
  return out;
}

}  // namespace sublab

// Walks a folder of a user's files and takes the text out of each.
#include "data/text/text_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "core/error.h"
#include "core/fields.h"
#include "data/text/documents.h"
#include "data/text/gzip.h"

namespace sublab {
namespace {

std::string lower_extension(const fs::path& path) {
  std::string out = path.extension().string();
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

bool is_gzip(const fs::path& path) { return lower_extension(path) == ".gz"; }

std::string document_of(const json& value, const std::string& where, const std::string& field) {
  const bool has_field = value.is_object() && value.contains(field) && value[field].is_string();
  if (!has_field && !value.is_string())
    throw UserError(where, "expected an object with a string \"" + field +
                               "\", or a string (--field names another key)");
  return has_field ? value[field].get<std::string>() : value.get<std::string>();
}

/// Reads one file with one set of rules.
class Reader {
 public:
  Reader(const fs::path& path, const TextFileRules& rules, std::function<void(std::string)> add)
      : path_(path), rules_(rules), add_(std::move(add)) {}

  void read() const {
    const std::string where = path_.string();
    switch (text_kind(path_)) {
      case TextKind::plain:
        return keep(bytes(), where);
      case TextKind::json: {
        const json parsed = parse_json(bytes(), where);
        if (!parsed.is_array()) return keep(document_of(parsed, where, rules_.field), where);
        for (size_t i = 0; i < parsed.size(); ++i) {
          const std::string at = where + ": /" + std::to_string(i);
          keep(document_of(parsed[i], at, rules_.field), at);
        }
        return;
      }
      case TextKind::json_lines: {
        if (is_gzip(path_)) {
          std::istringstream in(bytes());
          return read_lines(in);
        }
        std::ifstream in(path_, std::ios::binary);
        if (!in) throw UserError(where, "cannot read");
        return read_lines(in);
      }
    }
  }

 private:
  std::string bytes() const { return is_gzip(path_) ? gunzip(path_) : read_file(path_); }

  void keep(std::string text, const std::string& where) const {
    check_text(text, where);
    if (!is_blank(text)) add_(std::move(text));
  }

  void read_lines(std::istream& in) const {
    std::string line;
    for (int64_t number = 1; std::getline(in, line); ++number) {
      if (is_blank(line)) continue;
      const std::string where = path_.string() + ":" + std::to_string(number);
      keep(document_of(parse_json(line, where), where, rules_.field), where);
    }
  }

  const fs::path& path_;
  const TextFileRules& rules_;
  std::function<void(std::string)> add_;
};

/// Files below a folder, links followed.
class Walk {
 public:
  explicit Walk(std::function<void(const UserError&)> unreadable)
      : unreadable_(std::move(unreadable)) {}

  std::vector<fs::path> files(const fs::path& folder) {
    std::vector<fs::path> found, open{folder};
    while (!open.empty()) {
      const fs::path next = open.back();
      open.pop_back();
      try {
        look_at(next, found, open);
      } catch (const UserError& error) {
        unreadable_(error);
      }
    }
    std::sort(found.begin(), found.end());
    return found;
  }

 private:
  void look_at(const fs::path& path, std::vector<fs::path>& found, std::vector<fs::path>& open) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0)
      throw UserError(path.string(),
                      fs::is_symlink(path) ? "is a link that leads nowhere" : "cannot be read");
    if (S_ISREG(info.st_mode)) {
      found.push_back(path);
    } else if (!S_ISDIR(info.st_mode)) {
      throw UserError(path.string(), "is neither a file nor a folder");
    } else if (seen_.insert({info.st_dev, info.st_ino}).second) {  // a link may lead back up
      for (const fs::path& entry : folder_entries(path))
        if (!entry.filename().string().starts_with('.')) open.push_back(entry);
    }
  }

  std::function<void(const UserError&)> unreadable_;
  std::set<std::pair<dev_t, ino_t>> seen_;
};

}  // namespace

TextKind text_kind(const fs::path& path) {
  const std::string kind = lower_extension(is_gzip(path) ? path.stem() : path);
  if (kind == ".jsonl" || kind == ".ndjson") return TextKind::json_lines;
  return kind == ".json" ? TextKind::json : TextKind::plain;
}

FilesRead read_text_files(const fs::path& path, const TextFileRules& rules,
                          const std::function<void(std::string)>& add) {
  FilesRead out;
  const auto unreadable = [&](const UserError& error) {
    if (!rules.skip_unreadable) throw error;
    out.left_out.push_back(error.what());
  };
  std::error_code ignored;
  std::vector<fs::path> files{path};
  if (fs::is_directory(path, ignored)) files = Walk(unreadable).files(path);
  for (const fs::path& file : files) {
    if (rules.skip_unreadable) {  // what a file holds is handed over as a whole or not at all
      try {
        Reader(file, rules, [](const std::string&) {}).read();
      } catch (const UserError& error) {
        unreadable(error);
        continue;
      }
    }
    Reader(file, rules, add).read();
    out.n_json += text_kind(file) != TextKind::plain;
  }
  return out;
}

void check_text(std::string_view text, const std::string& where) {
  if (text.find('\0') != std::string_view::npos)
    throw UserError(where, "is a binary file (it has NUL bytes); expected UTF-8 text");
  const size_t bad = invalid_utf8(text);
  if (bad != std::string_view::npos)
    throw UserError(where, "is not UTF-8 at byte " + std::to_string(bad));
}

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

}  // namespace sublab

// What the pages of docs/ say of the tree is so: files, folders and names of code exist.
#include <catch2/catch.hpp>
#include <regex>
#include <set>

#include "tests/tidy/sources.h"

using namespace sublab;
using namespace sublab::tidy;

namespace {

/// What a page says between its blocks of code, line by line.
std::vector<std::string> prose_of(const fs::path& page) {
  std::vector<std::string> out;
  bool code = false;
  for (const std::string& line : lines_of(read_file(page))) {
    const bool fence = line.starts_with("```");
    if (fence) code = !code;
    if (!code && !fence) out.push_back(line);
  }
  return out;
}

/// Every match's first group.
std::vector<std::string> found(const std::string& text, const std::regex& what) {
  std::vector<std::string> out;
  for (std::sregex_iterator i(text.begin(), text.end(), what), end; i != end; ++i)
    out.push_back((*i)[1].str());
  return out;
}

const fs::path kPages[] = {kRoot / "docs/architecture.md", kRoot / "docs/adding_a_variant.md"};

}  // namespace

TEST_CASE("paths that architecture.md and adding_a_variant.md name exist", "[tidy]") {
  static const std::regex path(R"(`([a-z_]+/[\w./]*)`)"), planned(R"(\*([a-z_]+/[\w/]+\.cpp)\*)");
  size_t n = 0, n_planned = 0;
  for (const fs::path& page : kPages)
    for (const std::string& line : prose_of(page)) {
      INFO(page.string() << ": " << line);
      for (const std::string& each : found(line, path)) {
        ++n;
        INFO(each);
        CHECK(fs::exists(kRoot / each));
      }
      // In italics stands what is still to be written, in a folder that is there.
      for (const std::string& each : found(line, planned)) {
        ++n_planned;
        INFO(each);
        CHECK_FALSE(fs::exists(kRoot / each));
        CHECK(fs::is_directory((kRoot / each).parent_path()));
      }
    }
  CHECK(n > 50);
  CHECK(n_planned > 2);
}

TEST_CASE("names of code that architecture.md mentions exist", "[tidy]") {
  std::set<std::string> words;
  static const std::regex word(R"(([A-Z]\w+))"), name(R"(`([A-Z][a-z]\w*)(?:::\w+)?[^`]*`)");
  for (const Source& source : sources())
    for (const std::string& line : source.lines)
      for (std::string& each : found(line, word)) words.insert(std::move(each));
  size_t n = 0;
  for (const std::string& line : prose_of(kRoot / "docs/architecture.md"))
    for (const std::string& each : found(line, name)) {
      ++n;
      INFO(each << " in: " << line);
      CHECK(words.contains(each));
    }
  CHECK(n > 40);
}

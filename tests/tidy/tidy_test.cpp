// Conventions of the tree that no compiler checks.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <regex>
#include <set>

#include "tests/tidy/sources.h"

using namespace sublab;
using namespace sublab::tidy;

namespace {

/// A function as clang-format lays it out: its first line and how many lines it has.
struct Function {
  size_t line, length;
};

std::vector<Function> functions_of(const Source& source) {
  // The head ends in ") {" with or without qualifiers; the body ends in "}" at the head's indent.
  static const std::regex ends_head(R"(^.*\)( const| override| noexcept| final)* \{$)");
  static const std::regex begins_head(
      R"(^( {0,4})(?!if|for|while|switch|else|do|return|throw|namespace)[A-Za-z~].*\(.*$)");
  std::vector<Function> out;
  const auto& lines = source.lines;
  std::smatch match;
  for (size_t i = 0; i < lines.size(); ++i) {
    const bool is_whole = lines[i].ends_with(";") || lines[i].ends_with("}");
    if (!std::regex_match(lines[i], match, begins_head) || is_whole) continue;
    const std::string close = match[1].str() + "}";
    size_t head = i;
    while (head < std::min(i + 8, lines.size()) && !std::regex_match(lines[head], ends_head))
      ++head;
    if (head == std::min(i + 8, lines.size())) continue;
    const auto end = std::find(lines.begin() + static_cast<long>(head), lines.end(), close);
    if (end == lines.end()) continue;
    out.push_back({i, static_cast<size_t>(end - lines.begin()) - i + 1});
    i = static_cast<size_t>(end - lines.begin());
  }
  return out;
}

/// Classes and structs, likewise.
std::vector<Function> classes_of(const Source& source) {
  static const std::regex begins(R"(^( {0,4})(class|struct) \w+.*\{$)");
  std::vector<Function> out;
  std::smatch match;
  for (size_t i = 0; i < source.lines.size(); ++i) {
    if (!std::regex_match(source.lines[i], match, begins)) continue;
    const auto end = std::find(source.lines.begin() + static_cast<long>(i), source.lines.end(),
                               match[1].str() + "};");
    if (end != source.lines.end())
      out.push_back({i, static_cast<size_t>(end - source.lines.begin()) - i + 1});
  }
  return out;
}

}  // namespace

TEST_CASE("files and functions stay small", "[tidy]") {
  // Today's worst values; they may only go down.
  constexpr size_t kLongestClass = 169;
  constexpr size_t kLongestFile = 350, kLongestFunction = 59, kLongestLine = 100;
  for (const Source& source : sources()) {
    INFO(source.path.string());
    CHECK(source.lines.size() <= kLongestFile);
    bool raw = false;  // inside a raw string: a style sheet, a script
    for (size_t i = 0; i < source.lines.size(); ++i) {
      raw = raw ? source.lines[i].find(")\"") == std::string::npos
                : source.lines[i].find("R\"(") != std::string::npos;
      if (raw) continue;
      INFO("line " << i + 1);
      const size_t text =
          static_cast<size_t>(std::count_if(source.lines[i].begin(), source.lines[i].end(),
                                            [](char c) { return (c & 0xC0) != 0x80; }));
      const bool quotes =
          source.lines[i].find('"') != std::string::npos;  // long strings stay whole
      CHECK((text <= kLongestLine || quotes));
    }
    for (const Function& function : functions_of(source)) {
      INFO("function at line " << function.line + 1);
      CHECK(function.length <= kLongestFunction);
    }
    for (const Function& each : classes_of(source)) {
      INFO("class at line " << each.line + 1);
      CHECK(each.length <= kLongestClass);
    }
  }
}

TEST_CASE("every variant file stands in the catalog", "[tidy]") {
  const std::string catalog = read_file(kRoot / "experiments/catalog.cpp");
  static const std::regex entry(
      R"(^(\w+)Entry (\w+?)_(architecture|scorer|selector|gate|rope|execution|kv_policy_entry|sampling|positions|compression|task)\(\) \{$)");
  size_t n = 0;
  for (const Source& source : sources())
    for (const std::string& line : source.lines) {
      std::smatch match;
      if (!std::regex_match(line, match, entry)) continue;
      ++n;
      INFO(source.path.string() << " defines " << match[2]);
      CHECK(catalog.find("LINE(" + match[2].str() + ")") != std::string::npos);
    }
  CHECK(n >= 23);
  for (const char* folder :
       {"models/selection/scorers", "models/selection/selectors", "models/selection/gates"})
    for (const auto& file : fs::directory_iterator(kRoot / folder)) {
      INFO(file.path().string());
      CHECK(catalog.find("LINE(" + file.path().stem().string() + ")") != std::string::npos);
    }
}

TEST_CASE("every test case has one level, and every test file is built", "[tidy]") {
  const std::string build = read_file(kRoot / "tests/CMakeLists.txt");
  static const std::regex a_case(R"re(^TEST_CASE\(".*$)re");
  static const std::regex level(
      R"re(\[(tidy|unit|contract|numerics|learning|end_to_end|kernels|curves)\])re");
  for (const Source& source : sources()) {
    if (*source.path.begin() != "tests" || source.path.extension() != ".cpp") continue;
    INFO(source.path.string());
    const std::string folder = std::next(source.path.begin())->string();
    // tests/outside is a program of its own, tests/fakes a library.
    CHECK((folder.starts_with("main_") || folder == "outside" || folder == "fakes" ||
           build.find("/" + folder + "/*.cpp") != std::string::npos));
    for (size_t i = 0; i < source.lines.size(); ++i) {
      if (!std::regex_match(source.lines[i], a_case)) continue;
      std::string head = source.lines[i];
      if (!head.ends_with("{") && i + 1 < source.lines.size()) head += source.lines[i + 1];
      INFO(head);
      CHECK(std::distance(std::sregex_iterator(head.begin(), head.end(), level), {}) == 1);
    }
  }
}

TEST_CASE("commands that the pages name exist", "[tidy]") {
  static const std::regex command(R"((?:\./|^|`|\s)sublab ([a-z-]+))");
  size_t n = 0;
  std::vector<fs::path> pages = {kRoot / "README.md", kRoot / "CONTRIBUTING.md"};
  for (const auto& page : fs::directory_iterator(kRoot / "docs")) pages.push_back(page.path());
  for (const fs::path& page : pages) {
    bool code = false;
    for (const std::string& line : lines_of(read_file(page))) {
      if (line.starts_with("```")) code = !code;
      std::smatch match;
      if (!code || !std::regex_search(line, match, command)) continue;
      ++n;
      INFO(page.string() << ": " << line);
      std::string file = match[1].str();
      std::replace(file.begin(), file.end(), '-', '_');
      CHECK(fs::exists(kRoot / "experiments/cli" / (file + ".cpp")));
    }
  }
  CHECK(n > 3);
}

TEST_CASE("studies that the pages name exist", "[tidy]") {
  static const std::regex study(R"(experiments/studies/\w+\.json)");
  std::vector<fs::path> pages = {kRoot / "README.md", kRoot / "CONTRIBUTING.md"};
  for (const auto& page : fs::directory_iterator(kRoot / "docs")) pages.push_back(page.path());
  for (const fs::path& page : pages) {
    const std::string text = read_file(page);
    for (std::sregex_iterator i(text.begin(), text.end(), study), end; i != end; ++i) {
      INFO(page.string() << ": " << i->str());
      CHECK(fs::exists(kRoot / i->str()));
    }
  }
}

TEST_CASE("kept pages and records name no folder of their author's machine", "[tidy]") {
  static const std::regex folder(
      R"((^|[^\w./])(/(home|root|tmp|work|mnt|var|opt|Users)/|[A-Z]:\\\\))");
  size_t n = 0;
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / "results")) {
    const auto ending = entry.path().extension();
    if (ending != ".md" && ending != ".csv" && ending != ".json" && ending != ".tex") continue;
    ++n;
    for (const std::string& line : lines_of(read_file(entry.path()))) {
      if (line.find('/') == std::string::npos) continue;
      std::smatch match;
      INFO(entry.path().string() << ": " << line.substr(0, 200));
      CHECK_FALSE(std::regex_search(line, match, folder));
    }
  }
  CHECK(n > 10);
}

TEST_CASE("what the README quotes from a report stands in it", "[tidy]") {
  const std::string text = read_file(kRoot / "README.md");
  static const std::regex quoted(R"(<!-- begin (\S+) -->\n\n([^]*?)\n\n<!-- end -->)");
  size_t n = 0;
  for (std::sregex_iterator i(text.begin(), text.end(), quoted), end; i != end; ++i, ++n) {
    INFO((*i)[1].str());
    CHECK(read_file(kRoot / (*i)[1].str()).find((*i)[2].str()) != std::string::npos);
  }
  CHECK(n == 1);
}

TEST_CASE("names of metrics and arrays are said once", "[tidy]") {
  std::set<std::string> names;
  static const std::regex constant(R"re(inline constexpr const char\* k\w+ = "([a-z_]+)";)re");
  for (const char* file : {"core/schema/metrics.h", "core/schema/arrays.h"}) {
    const std::string whole = read_file(kRoot / file);
    const std::string text = whole.substr(0, whole.find("namespace condition"));
    for (std::sregex_iterator i(text.begin(), text.end(), constant), end; i != end; ++i)
      if (const std::string name = (*i)[1].str(); name.find('_') != std::string::npos)
        names.insert(name);
  }
  CHECK(names.size() > 20);
  // Costs that a study names, spellings that an error suggests, fields of the speed measurement.
  const std::set<std::string> others = {"core/schema/metrics.h",
                                        "core/schema/arrays.h",
                                        "core/schema/equal_cost.h",
                                        "core/schema/equal_cost.cpp",
                                        "core/error.cpp",
                                        "core/schema/bench.h",
                                        "experiments/measure/measure.h",
                                        "analysis/tables/equal_cost.cpp",
                                        "experiments/plan/resolve_checks.cpp"};
  static const std::regex literal(R"re("([a-z_]+?)(_?|\.npy)")re");
  for (const Source& source : sources()) {
    const std::string folder = source.path.begin()->string();
    if (folder == "tests" || others.contains(source.path.string())) continue;
    for (const std::string& whole : source.lines) {
      const std::string line = whole.substr(0, whole.find("//"));
      for (std::sregex_iterator i(line.begin(), line.end(), literal), end; i != end; ++i) {
        INFO(source.path.string() << ": " << line);
        CHECK_FALSE(names.contains((*i)[1].str()));
      }
    }
  }
}
